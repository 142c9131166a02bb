"""Metrics and the signal of a run's end, whoever appended the terminal event."""

from runs import metrics
from runs.event_types import Payload, RunCancelled, RunCompleted, RunFailed
from runs.metrics import labelled
from runs.signals import run_finished, tell


def observe_terminal(run_id: str, terminal: Payload, duration_ms: int) -> None:
    """Count the end and tell the apps above. Call once, after the commit, by who committed it."""
    status, error_type, job = _labels(terminal)
    labelled(metrics.run_terminal, status, error_type).inc()
    labelled(metrics.run_duration, status).observe(duration_ms / 1000)
    labelled(metrics.jobs, job).inc()
    tell(run_finished, run_id=run_id)


def _labels(terminal: Payload) -> tuple[str, str, str]:
    """Metric status and error_type of the daemon contract, and the daemon status."""
    match terminal:
        case RunCompleted():
            return "ok", "none", "completed"
        case RunCancelled():
            return "cancelled", "none", "cancelled"
        case RunFailed(error_type="budget"):
            return "budget", "budget", "failed"
        case RunFailed():
            return "error", terminal.error_type, "failed"
    raise ValueError(f"{type(terminal).__name__} is not terminal")
