"""What `/metrics` says of outgoing webhooks."""

from prometheus_client import Counter, Gauge, Histogram

deliveries = Counter(
    "starport_webhook_deliveries_total", "Deliveries of outgoing webhooks that ended", ["outcome"]
)
attempt_duration = Histogram(
    "starport_webhook_attempt_duration_seconds",
    "One request of an outgoing webhook",
    ["outcome"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0),
)
waiting = Gauge(
    "starport_webhook_deliveries_waiting",
    "Deliveries that are due now or later, those under way included",
    multiprocess_mode="mostrecent",
)
