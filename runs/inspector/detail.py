"""One run as its page shows it: facts, badge, a window of its events, and the event looked at."""

from dataclasses import dataclass

from accounts import capabilities
from accounts.names import name_actors
from accounts.principals import Principal
from project.lib.clock import readable_duration, to_rfc3339
from runs.api import words
from runs.errors import RunNotFound
from runs.inspector import formats, summaries, timeline
from runs.inspector.badge import Badge, badge_of
from runs.inspector.payloads import Shown, decode_map, pretty, show
from runs.inspector.trace import Trace, read_trace
from runs.log.codec import CodecError
from runs.log.events import StoredEvent
from runs.log.read import read_events
from runs.models import ArtifactRef, Redaction, Run
from runs.services.listing import RunDetail, find_run

MAX_ARTIFACTS = 50  # on the page; the API lists all
EXCERPT_CHARS = 2_000  # of goal, answer and error; the events hold the whole


@dataclass(frozen=True, slots=True)
class Facts:
    """What the head of the page says, besides the totals."""

    goal: str
    answer: str
    error: str
    model: str
    graph_id: str
    trigger_source: str
    started_by: str
    parent_id: str
    accepted: str  # RFC 3339, like the next two; "" when it has not happened
    started: str
    finished: str


@dataclass(frozen=True, slots=True)
class RedactionNote:
    who: str
    why: str
    when: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact of the run."""

    name: str
    size: str
    artifact_id: str


@dataclass(frozen=True, slots=True)
class EventDetail:
    """The event in the right column."""

    row: timeline.Row
    hash: str
    prev_hash: str
    payload: Shown | None  # None when there is none to show
    redaction: RedactionNote | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What changes while a run goes on."""

    word: str
    state: str  # the exact status
    is_finished: bool
    totals: tuple[tuple[str, str], ...]


def standing_of(run: RunDetail) -> Standing:
    tokens = run.input_tokens + run.output_tokens
    price = formats.cost(
        run.cost_usd, tokens=tokens, provider_id=run.provider_id, model_id=run.model_id
    )
    return Standing(
        word=words.status_of(run) or words.QUEUED,
        state=run.status,
        is_finished=run.is_finished,
        totals=(
            ("events", formats.count(run.head_seq)),
            ("turns", formats.count(run.turn_count)),
            ("tools", formats.count(run.tool_call_count)),
            ("in tok", formats.count(run.input_tokens)),
            ("out tok", formats.count(run.output_tokens)),
            ("cost", price),
            ("duration", readable_duration(run.duration_ms)),
        ),
    )


def read_facts(run: RunDetail) -> Facts:
    row = Run.objects.filter(pk=run.id).values(
        "accepted_at", "trigger_source", "actor", "parent_id", "model"
    )[0]
    return Facts(
        goal=_cut(run.goal),
        answer=_cut(run.final_text),
        error=_cut(run.error or run.cancel_reason),
        model=f"{run.provider_id}/{run.model_id}" if run.provider_id else row["model"],
        graph_id=run.graph_id,
        trigger_source=row["trigger_source"],
        started_by=name_actors({row["actor"]})[row["actor"]],
        parent_id=row["parent_id"] or "",
        accepted=row["accepted_at"].isoformat().replace("+00:00", "Z"),
        started="" if run.started_ns is None else to_rfc3339(run.started_ns),
        finished="" if run.finished_ns is None else to_rfc3339(run.finished_ns),
    )


def read_artifacts(caller: Principal, run_id: str) -> tuple[Artifact, ...]:
    """The first ones; none for callers who may not read artifacts."""
    if not caller.can(capabilities.ARTIFACTS_READ):
        return ()
    refs = ArtifactRef.objects.filter(run_id=run_id).in_order()[:MAX_ARTIFACTS]
    return tuple(Artifact(ref.name, formats.size(ref.size), ref.artifact_id) for ref in refs)


def read_event(run_id: str, seq: int) -> EventDetail:
    """Raises `RunNotFound` when the log has no such event."""
    event = _stored(run_id, seq)
    payload = event.payload
    return EventDetail(
        row=_row_of(event),
        hash=event.hash.hex(),
        prev_hash="" if event.prev_hash is None else event.prev_hash.hex(),
        payload=None if payload is None else show(payload),
        redaction=_read_redaction(run_id, seq) if payload is None else None,
    )


def read_json(run_id: str, seq: int) -> str:
    """The whole payload. Raises `RunNotFound` when there is none, or none that is JSON."""
    payload = _stored(run_id, seq).payload
    if payload is None:
        raise RunNotFound(f"event {seq} has no payload any more")
    try:
        return pretty(decode_map(payload))
    except (CodecError, TypeError):
        raise RunNotFound(f"the payload of event {seq} cannot be read") from None


def _stored(run_id: str, seq: int) -> StoredEvent:
    events = read_events(run_id, after=seq - 1, limit=1) if seq > 0 else []
    if not events or events[0].seq != seq:
        raise RunNotFound(f"run {run_id} has no event {seq}")
    return events[0]


def _row_of(event: StoredEvent) -> timeline.Row:
    """Its line, with the call it belongs to even when the timeline did not fetch the payload."""
    try:
        call_id = "" if event.payload is None else summaries.call_id_of(decode_map(event.payload))
    except CodecError:
        call_id = ""
    return timeline.Row(
        seq=event.seq,
        kind=event.kind_name,
        family=summaries.family_of(event.kind),
        time=to_rfc3339(event.ts),
        summary="",
        call_id=call_id,
        is_redacted=event.is_redacted,
        is_terminal=event.is_terminal,
    )


def _read_redaction(run_id: str, seq: int) -> RedactionNote | None:
    record = Redaction.objects.filter(run_id=run_id, seq=seq).first()
    if record is None:
        return None
    return RedactionNote(
        who=name_actors({record.actor})[record.actor],
        why=record.reason,
        when=record.redacted_at.isoformat().replace("+00:00", "Z"),
    )


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "…"


@dataclass(frozen=True, slots=True)
class DetailQuery:
    """`after` is where the window begins, `seq` the event looked at; `None` is up to us."""

    after: int | None = None
    seq: int | None = None
    validates: bool = False


@dataclass(frozen=True, slots=True)
class Detail:
    run: RunDetail
    standing: Standing
    facts: Facts
    artifacts: tuple[Artifact, ...]
    badge: Badge
    window: timeline.Window
    event: EventDetail | None
    trace: Trace | None

    @property
    def is_live(self) -> bool:
        """Whether new events would continue the window."""
        return not self.standing.is_finished and not self.window.has_later


def read_detail(caller: Principal, run_id: str, query: DetailQuery) -> Detail:
    """Raises `RunNotFound` for a run that is not there, or not for this caller to see."""
    run = find_run(caller, run_id)
    window = timeline.read_window(run_id, after=_start_of_window(run, query))
    seq = query.seq or (window.rows[0].seq if window.rows else 0)
    return Detail(
        run=run,
        standing=standing_of(run),
        facts=read_facts(run),
        artifacts=read_artifacts(caller, run_id),
        badge=badge_of(run, however_long=query.validates),
        window=window,
        event=read_event(run_id, seq) if seq else None,
        trace=read_trace(run),
    )


def _start_of_window(run: RunDetail, query: DetailQuery) -> int:
    """The window asked for, else the one with the chosen event, else the end of what goes on."""
    if query.after is not None:
        return query.after
    if query.seq is not None:
        return (query.seq - 1) // timeline.WINDOW * timeline.WINDOW
    if run.is_finished:
        return 0
    return max(0, run.head_seq - 1) // timeline.WINDOW * timeline.WINDOW
