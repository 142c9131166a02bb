"""Conversations: sessions, the messages said in them, and the runs that answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3
from django.db import models
from django.db.models import Q

from accounts.models import new_id
from accounts.principals import ANONYMOUS_ACTOR

if TYPE_CHECKING:
    from accounts.principals import Principal


#: Who owns the conversations of a fresh install's caller.
NOBODY = "admin"


class SessionQuerySet(models.QuerySet["Session"]):
    def visible_to(self, principal: Principal) -> SessionQuerySet:
        """Your own, or everybody's: see `sees_all_sessions`."""
        if sees_all_sessions(principal):
            return self
        return self.filter(owner=principal.user_id or owner_of_actor(principal.actor))

    def listed(self) -> SessionQuerySet:
        """What the session list shows, newest first."""
        return self.filter(is_archived=False).order_by("-last_message_at", "-id")


def owner_of_actor(actor: str) -> str:
    """Whose the conversations are of somebody behind whom no user stands: of each caller that a
    token or a certificate names their own, under a name that is no user's and fits everywhere."""
    if actor == ANONYMOUS_ACTOR:
        return NOBODY
    return f"ext-{blake3(actor.encode()).hexdigest(16)}"


def sees_all_sessions(principal: Principal) -> bool:
    """Whether other people's conversations exist for this caller: an administrator's key that is
    limited to less than reading runs leads its own."""
    is_admin = principal.role == "admin" and principal.sees_all_runs
    return principal.provider == "open" or is_admin


class Session(models.Model):
    """A conversation: ordered messages of one owner."""

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    # A user's id, or who speaks where no user does: admin, cron, heartbeat, boot, bootstrap.
    owner = models.CharField(max_length=100)
    channel = models.CharField(max_length=20)  # main, telegram, email, slack
    key = models.CharField(max_length=200)  # continues the conversation, within owner and channel
    title = models.CharField(max_length=200, blank=True, default="")
    summary = models.TextField(blank=True, default="")  # why it was closed
    # The system prompt of its runs, as it was when the first message came.
    context = models.TextField(blank=True, default="")
    is_closed = models.BooleanField(default=False)
    is_read = models.BooleanField(default=True)
    is_archived = models.BooleanField(default=False)
    triggered_by = models.CharField(max_length=200, blank=True, default="")  # a cron job's name
    message_count = models.IntegerField(default=0)  # of users
    reviewed_count = models.IntegerField(default=0, db_default=0)  # of those, by chat.memory.review
    created_at = models.DateTimeField(auto_now_add=True)
    last_message_at = models.DateTimeField()

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = [
            # chat.services.sessions catches this violation: of two first messages one opens it.
            models.UniqueConstraint(
                name="session_open_once",
                fields=["owner", "channel", "key"],
                condition=Q(is_closed=False),
            ),
        ]
        indexes = [
            # The session list: one owner's, everybody's.
            models.Index(
                fields=["owner", "-last_message_at", "-id"],
                name="session_newest_by_owner",
                condition=Q(is_archived=False),
            ),
            models.Index(
                fields=["-last_message_at", "-id"],
                name="session_newest",
                condition=Q(is_archived=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.id


class ExchangeQuerySet(models.QuerySet["Exchange"]):
    def under_key(self, scope: str, key: str) -> Exchange | None:
        """The one that a request with this Idempotency-Key became."""
        found = self.filter(idempotency_scope=scope, idempotency_key=key)
        # SQLite takes the index of the constraint only where its condition is spelled out.
        return found.exclude(idempotency_key="").first()


class Exchange(models.Model):
    """What somebody said in a session, from its arrival until it has been answered.

    Waiting exchanges of a session are taken up one after the other, in the order of their ids.
    """

    class Kind(models.TextChoices):
        MESSAGE = "message"  # starts a run
        RESPONSE = "response"  # answers a run that waits for a human
        INJECTED = "injected"  # joins the run that is under way
        COMPACTION = "compaction"  # nobody's: sums up what a run is told no more

    class Status(models.TextChoices):
        WAITING = "waiting"  # for the exchanges before it
        RUNNING = "running"
        ANSWERED = "answered"  # its run has ended, or asks something
        REFUSED = "refused"  # no run could be started; `error` says why

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="exchanges")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MESSAGE)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    text = models.TextField()
    model = models.CharField(max_length=200, blank=True, default="")  # provider/model; "": default
    # [{"name", "mime_type", "path", "size"}]: files below the files folder.
    attachments = models.JSONField(default=list, blank=True)
    trigger_source = models.CharField(max_length=40, default="chat")
    user_id = models.CharField(max_length=36, blank=True, default="")  # whose the run is
    actor = models.CharField(max_length=200)
    granted = models.JSONField(null=True, blank=True)  # as Run.granted
    api_key_id = models.CharField(max_length=36, blank=True, default="")  # whose limit it spends
    # An Idempotency-Key in its scope, and what it came with.
    idempotency_scope = models.CharField(max_length=300, blank=True, default="")
    idempotency_key = models.CharField(max_length=200, blank=True, default="")
    body_hash = models.BinaryField(max_length=32, null=True)
    run_id = models.CharField(max_length=64, blank=True, default="")
    after_seq = models.IntegerField(default=0)  # of the run's log: the answer is what follows
    error = models.TextField(blank=True, default="")
    error_code = models.CharField(max_length=40, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ExchangeQuerySet.as_manager()

    class Meta:
        constraints = [
            # chat.services.posting trusts it: a repeated request finds the first exchange.
            models.UniqueConstraint(
                name="exchange_idempotency_key_once",
                fields=["idempotency_scope", "idempotency_key"],
                condition=~Q(idempotency_key=""),
            ),
            # chat.services.turns trusts it: one run at a time works for a session.
            models.UniqueConstraint(
                name="exchange_one_running",
                fields=["session"],
                condition=Q(status="running", kind__in=["message", "response"]),
            ),
        ]
        indexes = [
            # chat.services.turns: what waits, oldest first; what is under way, for the sweep.
            # SQLite takes a partial index only for its very condition, so each has its own.
            models.Index(
                fields=["session", "id"], name="exchange_waiting", condition=Q(status="waiting")
            ),
            models.Index(
                fields=["session"], name="exchange_under_way", condition=Q(status="running")
            ),
            # chat.receivers: from a run to its session.
            models.Index(fields=["run_id", "id"], name="exchange_run"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} in {self.session_id}"


class Message(models.Model):
    """A row of a transcript. Those with a run mirror its log and can be made again from it."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"
        TOOL_USE = "tool_use"
        TOOL_RESULT = "tool_result"

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="messages")
    role = models.CharField(max_length=12, choices=Role)
    # Text, or of tools the JSON text that clients of the transcript read.
    content = models.TextField()
    exchange = models.ForeignKey(
        Exchange, null=True, blank=True, on_delete=models.SET_NULL, related_name="rows"
    )
    run_id = models.CharField(max_length=64, blank=True, default="")
    seq = models.IntegerField(default=0)  # the event it mirrors; 0 for what a user said
    part = models.SmallIntegerField(default=0)  # several rows of one event
    timestamp = models.DateTimeField()

    class Meta:
        constraints = [
            # chat.services.transcripts trusts it: mirroring a log twice adds nothing.
            models.UniqueConstraint(
                name="message_mirrors_once",
                fields=["run_id", "seq", "part"],
                condition=Q(seq__gt=0),
            ),
        ]
        indexes = [
            # The transcript of a session, in order.
            models.Index(fields=["session", "id"], name="message_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.role} #{self.pk}"
