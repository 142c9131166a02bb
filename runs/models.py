"""Runs and their logs.

A `Run` row is a projection of its log plus what the queue needs; `runs.log` changes both in one
transaction and is the only writer of `Event`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

from project.lib.ids import new_ulid

if TYPE_CHECKING:
    from accounts.principals import Principal


class RunQuerySet(models.QuerySet["Run"]):
    def visible_to(self, principal: Principal) -> RunQuerySet:
        """Runs this caller may know of; everybody else's are as if they did not exist."""
        if principal.sees_all_runs:
            return self
        if principal.user_id is None:
            return self.none()
        return self.filter(creator_id=principal.user_id)

    def queued(self) -> RunQuerySet:
        """Accepted, never started: what the bound of the queue counts."""
        return self.filter(status=Run.Status.PENDING, head_seq=0)

    def waiting(self) -> RunQuerySet:
        """For a human. The newest event of such a run is its InputRequested."""
        return self.filter(status=Run.Status.AWAITING_INPUT)

    def unfinished(self) -> RunQuerySet:
        return self.exclude(status__in=Run.TERMINAL)


class Run(models.Model):
    """One execution of a graph. Columns below "projections" say what the log says."""

    class Status(models.TextChoices):
        PENDING = "pending"  # no worker has it: new, or given back
        RUNNING = "running"
        PAUSED = "paused"
        AWAITING_INPUT = "awaiting-input"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        ERROR = "error"  # ended by a defect of ours, not by the work itself

    TERMINAL = (Status.DONE, Status.FAILED, Status.CANCELLED, Status.ERROR)

    # A ULID, or cf-<uuid4> for a fork; never a slash, so that it is one path segment.
    id = models.CharField(primary_key=True, max_length=64, default=new_ulid, editable=False)

    graph_id = models.CharField(max_length=200, default="agent")
    # Of the document, or derived from it and a mutation: then `version` names the document.
    graph_hash = models.CharField(max_length=64, blank=True, default="")
    version = models.CharField(max_length=64, blank=True, default="")
    goal = models.TextField(blank=True, default="")
    inputs = models.JSONField(default=dict, blank=True)
    model = models.CharField(max_length=200, blank=True, default="")  # provider:model; "" = default
    budget = models.JSONField(null=True, blank=True)  # keys of RunStarted.budget
    metadata = models.JSONField(default=dict, blank=True)
    priority = models.SmallIntegerField(default=0)  # -100…100, higher is claimed first
    trigger_source = models.CharField(max_length=40, default="api")
    creator = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor = models.CharField(max_length=200, blank=True, default="")
    # What the credential that started the run was allowed; NULL: whatever its creator is. Tools get
    # no more than this, and no more than the creator holds when they run.
    granted = models.JSONField(null=True, blank=True)
    api_key_id = models.CharField(max_length=36, blank=True, default="")  # the key that started it
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children"
    )
    fork_step = models.IntegerField(null=True, blank=True)
    accepted_at = models.DateTimeField(auto_now_add=True)

    # The lease: who executes the run now, fenced by a token that every engine append carries.
    lease_token = models.CharField(max_length=26, blank=True, default="")
    lease_owner = models.CharField(max_length=100, blank=True, default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    # Projections of the log.
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    head_seq = models.IntegerField(default=0)
    head_hash = models.BinaryField(max_length=32, null=True, blank=True)
    turn_count = models.IntegerField(default=0)
    tool_call_count = models.IntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cost_usd = models.FloatField(default=0.0)
    final_text = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")
    error_type = models.CharField(max_length=40, blank=True, default="")
    cancel_reason = models.CharField(max_length=200, blank=True, default="")
    provider_id = models.CharField(max_length=100, blank=True, default="")
    model_id = models.CharField(max_length=200, blank=True, default="")
    started_ns = models.BigIntegerField(null=True, blank=True)  # ts of seq 1
    last_event_ns = models.BigIntegerField(null=True, blank=True)
    terminal_kind = models.SmallIntegerField(null=True, blank=True)
    finished_ns = models.BigIntegerField(null=True, blank=True)  # ts of the terminal event
    merkle_root = models.BinaryField(max_length=32, null=True, blank=True)
    # Suspended until then (a timer), or waiting for input until then (a deadline); Unix ns.
    wake_ns = models.BigIntegerField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            # The claim and the inbox trust it: a finished run is never claimable.
            models.CheckConstraint(
                name="run_finished_iff_terminal",
                condition=Q(
                    status__in=["done", "failed", "cancelled", "error"], terminal_kind__isnull=False
                )
                | Q(
                    status__in=["pending", "running", "paused", "awaiting-input"],
                    terminal_kind__isnull=True,
                ),
            ),
        ]
        indexes = [
            # runs.services.queue.claim: oldest first within priority.
            models.Index(
                fields=["-priority", "accepted_at", "id"],
                name="run_claimable",
                condition=Q(status="pending"),
            ),
            # runs.services.queue.expired: leases whose worker went silent.
            models.Index(
                fields=["lease_expires_at"],
                name="run_leased",
                condition=Q(lease_expires_at__isnull=False),
            ),
            # runs.services.queue.wake_due_runs: timers and deadlines.
            models.Index(fields=["wake_ns"], name="run_wakes", condition=Q(wake_ns__isnull=False)),
            # chat.costs.recording: what has ended and is not in the accounts yet.
            models.Index(
                fields=["finished_ns"],
                name="run_finished",
                condition=Q(finished_ns__isnull=False),
            ),
            # The run list, newest first: everyone's, one status, one creator's.
            models.Index(fields=["-started_ns", "-id"], name="run_newest"),
            models.Index(fields=["status", "-started_ns", "-id"], name="run_newest_by_status"),
            models.Index(fields=["creator", "-started_ns", "-id"], name="run_newest_by_creator"),
            # runs.services.history: every accepted run, everyone's, one status, one creator's.
            models.Index(fields=["-accepted_at", "-id"], name="run_history"),
            models.Index(fields=["status", "-accepted_at", "-id"], name="run_history_by_status"),
            models.Index(fields=["creator", "-accepted_at", "-id"], name="run_history_by_creator"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def is_finished(self) -> bool:
        return self.status in self.TERMINAL

    @property
    def version_hash(self) -> str:
        """Which version of its graph the run executes."""
        return self.version or self.graph_hash

    @property
    def duration_ms(self) -> int:
        """First to last event, floored; 0 without events."""
        if self.started_ns is None or self.last_event_ns is None:
            return 0
        return max(0, (self.last_event_ns - self.started_ns) // 1_000_000)


class Event(models.Model):
    """An immutable fact about a run. Rows are appended by `runs.log`, never updated.

    The one exception is redaction, which sets `payload` to NULL and leaves every hash alone.
    """

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, related_name="events", db_index=False)
    seq = models.IntegerField()  # 1-based and gapless within a run
    prev_hash = models.BinaryField(max_length=32, null=True)  # NULL at seq 1, never empty
    ts = models.BigIntegerField()  # Unix nanoseconds
    kind = models.SmallIntegerField()
    payload = models.BinaryField(null=True)  # canonical CBOR; NULL when kept outside or redacted
    hash = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"{self.run_id}#{self.seq}"


class ExternalPayload(models.Model):
    """Where the payload of an event above 64 KiB lies; the event's hash covers it all the same."""

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    seq = models.IntegerField()
    # BLAKE3, hex. Indexed for pruning, which asks who else refers to a blob.
    digest = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.run_id}#{self.seq} {self.digest[:12]}"


class GraphVersion(models.Model):
    """A graph document that was registered once. Runs stay with the version they began with."""

    graph_id = models.CharField(max_length=200)
    hash = models.CharField(max_length=64)  # of the document, see runs.graphs.documents
    document = models.JSONField()
    source = models.CharField(max_length=200)  # built-in, a file's name, or admin
    registered_by = models.CharField(max_length=200, blank=True, default="")  # actor
    registered_at = models.DateTimeField(auto_now_add=True)
    # The version that new runs get; without one the graph is retired.
    is_current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="graph_version_once", fields=["graph_id", "hash"]),
            # runs.graphs.registry.get_graph trusts it.
            models.UniqueConstraint(
                name="graph_one_current", fields=["graph_id"], condition=Q(is_current=True)
            ),
        ]
        ordering = ("graph_id", "-registered_at")

    def __str__(self) -> str:
        return f"{self.graph_id} {self.hash[:12]}"


class ArtifactRefQuerySet(models.QuerySet["ArtifactRef"]):
    def visible_to(self, principal: Principal) -> ArtifactRefQuerySet:
        """Artifacts of the runs that this caller may know of."""
        return self.filter(run__in=Run.objects.visible_to(principal))

    def in_order(self) -> ArtifactRefQuerySet:
        """Earliest first, the same on every page."""
        return self.order_by("created_at", "digest", "pk")


class ArtifactRef(models.Model):
    """One mention of a blob in the artifact store: which run wrote it, when and as what."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    step = models.IntegerField(default=0)
    path = models.CharField(max_length=300, blank=True, default="")  # the node execution
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=200, default="application/octet-stream")
    # Of the bytes, hex; its first 32 characters are the artifact's id on the wire.
    digest = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField()
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ArtifactRefQuerySet.as_manager()

    class Meta:
        constraints = [
            # A node that is executed again after a crash mentions its artifact once:
            # runs.services.artifacts.keep_artifact trusts it.
            models.UniqueConstraint(name="artifact_once", fields=["run", "path", "name", "digest"])
        ]
        ordering = ("created_at", "digest")

    def __str__(self) -> str:
        return f"{self.name} {self.digest[:12]}"

    @property
    def artifact_id(self) -> str:
        return self.digest[:32]


class Redaction(models.Model):
    """The record of a payload that was taken out of the log, with who did it and why."""

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(Run, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    seq = models.IntegerField()
    actor = models.CharField(max_length=200)
    reason = models.TextField()
    redacted_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.run_id}#{self.seq} by {self.actor}"


class MailboxItem(models.Model):
    """A command for the lease holder of a run, written with its precondition check.

    Consumed in id order at the next step boundary, in the transaction that appends what it caused.
    """

    class Kind(models.TextChoices):
        PAUSE = "pause"
        RESPOND = "respond"
        INJECT = "inject"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="mailbox")
    kind = models.CharField(max_length=10, choices=Kind)
    body = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.kind} for {self.run_id}"


class IdempotencyRecord(models.Model):
    """The first answer to a request that carried an Idempotency-Key, in the caller's scope."""

    scope = models.CharField(max_length=300)  # caller and route
    key = models.CharField(max_length=200)
    body_hash = models.BinaryField(max_length=32)  # of the body as parsed JSON
    status_code = models.SmallIntegerField()
    response = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)  # retention sweeps by age

    class Meta:
        constraints = [
            # runs.services.starting.start_run catches this violation to find the first answer.
            models.UniqueConstraint(name="idempotency_key_once", fields=["scope", "key"])
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class Trigger(models.Model):
    """What starts runs of one graph: at times, for a webhook, or when called by its name.

    A manual trigger is this row and nothing more; the others have a row of their own besides.
    """

    class Kind(models.TextChoices):
        MANUAL = "manual"
        CRON = "cron"
        WEBHOOK = "webhook"

    class Source(models.TextChoices):
        ADMIN = "admin"
        FILE = "file"  # config/triggers.yaml in the data folder, which alone may change it

    # With `webhook:` before it, it has to fit where the audit trail keeps run ids.
    trigger_id = models.CharField("id", max_length=56, unique=True)
    kind = models.CharField(max_length=10, choices=Kind, editable=False)
    graph_id = models.CharField("graph", max_length=200)
    params = models.JSONField(default=dict, blank=True)  # inputs of every run
    is_enabled = models.BooleanField("enabled", default=True)
    source = models.CharField(max_length=10, choices=Source, default=Source.ADMIN, editable=False)
    last_fired_at = models.DateTimeField(null=True, editable=False)
    last_run_id = models.CharField("last run", max_length=64, default="", editable=False)
    # Why the last firing started no run; empty when it did.
    last_error = models.CharField(max_length=300, default="", editable=False)

    class Meta:
        ordering = ("trigger_id",)

    def __str__(self) -> str:
        return self.trigger_id


class CronTrigger(Trigger):
    """Starts a run at the times of a cron expression."""

    class MissedFirePolicy(models.TextChoices):
        FIRE_ONCE_CATCHUP = "fire_once_catchup"
        SKIP = "skip"

    cron_expression = models.CharField(max_length=200)  # five fields
    tz = models.CharField("time zone", max_length=64, default="UTC")  # IANA name
    missed_fire_policy = models.CharField(
        max_length=20, choices=MissedFirePolicy, default=MissedFirePolicy.FIRE_ONCE_CATCHUP
    )
    # NULL while disabled. Whoever moves it on, under the lock of the trigger's row, fires.
    next_fire_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        indexes = [
            # runs.triggers.firing.fire_due
            models.Index(
                fields=["next_fire_at"],
                name="cron_due",
                condition=Q(next_fire_at__isnull=False),
            )
        ]


class WebhookTrigger(Trigger):
    """Starts a run for each signed request to its path below `/hooks/`."""

    class Scheme(models.TextChoices):
        STARGRAPH = "stargraph"
        GITHUB = "github"

    path = models.CharField(max_length=200, unique=True)  # without `/hooks/`
    scheme = models.CharField(max_length=10, choices=Scheme, default=Scheme.STARGRAPH)
    # Input field -> template over the body. Empty: the body's fields are the inputs.
    mapping = models.JSONField(default=dict, blank=True)
    # Of each secret either the variable that holds it, or the secret itself, sealed.
    current_secret_env = models.CharField(max_length=200, blank=True, default="")
    current_secret_sealed = models.TextField(default="", editable=False)
    previous_secret_env = models.CharField(max_length=200, blank=True, default="")
    previous_secret_sealed = models.TextField(default="", editable=False)
    timestamp_window_seconds = models.PositiveIntegerField(default=300)
    signature_header = models.CharField(max_length=100, blank=True, default="")  # "": the scheme's
    timestamp_header = models.CharField(max_length=100, blank=True, default="")


class WebhookDelivery(models.Model):
    """One request to a webhook's path and what became of it."""

    trigger = models.ForeignKey(
        WebhookTrigger, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    received_at = models.DateTimeField()
    code = models.CharField(max_length=40)  # accepted, repeated, or why not
    detail = models.CharField(max_length=300, default="")  # as the sender was told
    status = models.SmallIntegerField()  # of the answer
    run_id = models.CharField(max_length=64, blank=True, default="")
    idempotency_key = models.CharField(max_length=64, blank=True, default="")
    body_hash = models.CharField(max_length=64)  # SHA-256, hex, of the body as it came
    size = models.IntegerField()  # bytes
    # JSON with the secrets taken out, to be delivered again; empty: unverified or too large.
    body = models.TextField(blank=True, default="")
    event = models.CharField(max_length=100, blank=True, default="")  # X-GitHub-Event
    remote_address = models.CharField(max_length=100, blank=True, default="")
    actor = models.CharField(max_length=200, blank=True, default="")  # who, when it was by hand
    repeats = models.BigIntegerField(null=True)  # the id of the delivery that this one is again
    # SHA-256, hex, of what makes the request unique; NULL when it may come again.
    nonce = models.CharField(max_length=64, null=True)  # noqa: DJ001 - NULLs differ, "" would not

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            # runs.triggers.deliveries.receive takes its violation for a replayed request.
            models.UniqueConstraint(name="webhook_nonce_once", fields=["trigger", "nonce"]),
        ]
        indexes = [
            # The delivery log, newest first: of all triggers, of one.
            models.Index(fields=["-received_at", "-id"], name="delivery_newest"),
            models.Index(fields=["trigger", "-received_at"], name="delivery_newest_by_trigger"),
        ]
        ordering = ("-received_at", "-id")

    def __str__(self) -> str:
        return f"{self.trigger_id} {self.received_at:%Y-%m-%d %H:%M:%S} {self.code}"
