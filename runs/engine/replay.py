"""Replay: the recorded run executed again against its own log, compared event by event.

Model answers and recorded side effects come from the log, tools without side effects run for
real. What only the outside decided (a human's answer, a cancellation, a crash and its takeover, a
budget tripped by the clock) is taken from the recording as it stands.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from runs.engine.agent import AgentLoop
from runs.engine.replay_effects import Interrupted, ReplayEffects
from runs.engine.start import Agent, build_agent, build_run_started
from runs.engine.state import AgentState
from runs.errors import InvalidInput, ModelNotFound, RunNotFound, RunsError
from runs.event_types import KIND_NUMBERS, InputRequested, Payload, RunStarted
from runs.graphs.registry import get_version
from runs.graphs.state_schema import GOAL
from runs.log.append import RunTail
from runs.log.codec import decode
from runs.log.events import StoredEvent
from runs.log.read import walk_events
from runs.models import Run

_SIDE_EFFECT = KIND_NUMBERS["SideEffectRecorded"]

# Compared softly: reported when different, never a divergence. They belong to the program, the
# price list and the clock, not to the work.
_SOFT = frozenset(
    {
        "starling_version", "app_version", "graph_hash", "trigger_source", "cost_usd",
        "total_cost_usd", "duration_ms", "merkle_root",
    }
)  # fmt: skip  # fmt: skip
_IDENTITY = frozenset({"provider_id", "model_id", "api_version"})


class ReplayRefused(RunsError):
    """The agent as configured now is another one than the recording's."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first event that came out different. `reason_class` is kind, payload or exhausted."""

    seq: int
    reason_class: str
    expected_kind: str
    kind: str
    reason: str
    recorded: dict[str, Any]
    produced: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SoftDifference:
    """A field that differs and may."""

    seq: int
    field: str
    recorded: Any
    produced: Any


@dataclass(slots=True)
class ReplayReport:
    """What a replay found."""

    run_id: str
    compared: int = 0
    soft: list[SoftDifference] = field(default_factory=list)
    divergence: Divergence | None = None

    @property
    def is_clean(self) -> bool:
        return self.divergence is None


class _Diverged(Exception):
    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence.reason)
        self.divergence = divergence


class _RecordingEnds(Exception):
    pass


class ReplayJournal:
    """A journal that compares instead of writing."""

    def __init__(
        self, run_id: str, events: list[StoredEvent], state: AgentState, *, forced: bool
    ) -> None:
        self.state = state
        self.events = events
        self.report = ReplayReport(run_id)
        self.tail = RunTail(run_id)
        self._soft = _SOFT | _IDENTITY if forced else _SOFT
        self._position = 0

    def peek(self) -> StoredEvent | None:
        """The next recorded event that is not a side effect; those belong to their tool call."""
        position = self._position
        while position < len(self.events) and self.events[position].kind == _SIDE_EFFECT:
            position += 1
        return self.events[position] if position < len(self.events) else None

    def peek_from_here(self) -> list[StoredEvent]:
        """All events from the next one on."""
        return self.events[self._position :]

    def adopt(self) -> Payload:
        """Take the next event from the recording as it is."""
        self._skip_side_effects()
        event = self.events[self._position]
        self._position += 1
        payload = event.typed()
        self._advance(payload, event.ts)
        return payload

    def record(self, payload: Payload) -> None:
        self._skip_side_effects()
        if self._position >= len(self.events):
            last = self.events[-1]
            if not last.is_terminal:
                raise _RecordingEnds
            raise _Diverged(
                Divergence(
                    last.seq + 1,
                    "exhausted",
                    "",
                    type(payload).__name__,
                    "the agent goes on where the recording ends",
                    {},
                    as_map(payload),
                )
            )
        event = self.events[self._position]
        self._position += 1
        self._compare(event, payload)
        self.report.compared += 1
        self._advance(event.typed(), event.ts)

    def complete(self, final_text: str) -> None:
        self.record(self.tail.completed(final_text, self._next_ts()))

    def fail(self, error: str, error_type: str) -> None:
        self.record(self.tail.failed(error, error_type, self._next_ts()))

    async def commit(self) -> None:
        return

    def elapsed_ms(self, since_ns: int) -> int:
        return 0  # durations are compared softly; this one is never looked at

    async def ask(self, request: InputRequested) -> None:
        self.record(request)

    def knows_call(self, call_id: str) -> bool:
        return False

    def new_id(self) -> str:
        event = self.peek()
        return str(event.data.get("turn_id", "")) if event is not None else ""

    def delta(self, turn_id: str, text: str, attempt: int) -> None:
        return

    def _advance(self, payload: Payload, ts: int) -> None:
        self.tail.add(payload, ts)
        self.state.apply(payload, ts)

    def _skip_side_effects(self) -> None:
        while (
            self._position < len(self.events) and self.events[self._position].kind == _SIDE_EFFECT
        ):
            event = self.events[self._position]
            self._position += 1
            self._advance(event.typed(), event.ts)

    def _next_ts(self) -> int:
        event = self.peek()
        return event.ts if event is not None else 0

    def _compare(self, event: StoredEvent, payload: Payload) -> None:
        recorded, produced = event.data, as_map(payload)
        kind = type(payload).__name__
        if event.kind != payload.kind:
            raise _Diverged(
                Divergence(
                    event.seq,
                    "kind",
                    event.kind_name,
                    kind,
                    f"recorded {event.kind_name}, produced {kind}",
                    recorded,
                    produced,
                )
            )
        hard = []
        for name in sorted(recorded.keys() | produced.keys()):
            if recorded.get(name) == produced.get(name) and _same_type(recorded, produced, name):
                continue
            if name in self._soft:
                self._note_soft(event.seq, name, recorded.get(name), produced.get(name))
            else:
                hard.append(name)
        if hard:
            reason = f"different {', '.join(hard)}"
            raise _Diverged(
                Divergence(event.seq, "payload", event.kind_name, kind, reason, recorded, produced)
            )

    def _note_soft(self, seq: int, name: str, recorded: Any, produced: Any) -> None:
        if name not in ("duration_ms", "merkle_root"):  # these always differ and say nothing
            self.report.soft.append(SoftDifference(seq, name, recorded, produced))


def as_map(payload: Payload) -> dict[str, Any]:
    """The payload as its decoded map would be: omitted fields absent."""
    value: dict[str, Any] = decode(payload.encode())
    return value


def _same_type(recorded: dict[str, Any], produced: dict[str, Any], name: str) -> bool:
    """1 and 1.0 are different values in the log, though equal in Python."""
    return type(recorded.get(name)) is type(produced.get(name))


async def replay_run(run: Run, events: list[StoredEvent], *, force: bool = False) -> ReplayReport:
    """Replay a stored run. Raises `ReplayRefused` for a changed identity, unless forced."""
    if not events:
        raise RunNotFound(f"run {run.id} has no events")
    if any(event.is_redacted for event in events):
        raise ReplayRefused("events of this run are redacted: what they said cannot be replayed")
    started = events[0].typed()
    if not isinstance(started, RunStarted):
        raise ReplayRefused("the log does not begin with RunStarted")
    agent = _agent_of(run, started, force=force)
    state = AgentState(agent.opening)
    journal = ReplayJournal(run.id, events, state, forced=force)
    try:
        journal.record(replace(build_run_started(run, agent), goal=started.goal))
        await _drive(_without_clock(agent), journal)
        _check_end(journal)
    except _Diverged as diverged:
        journal.report.divergence = diverged.divergence
    except _RecordingEnds:
        pass
    return journal.report


def load_recording(run_id: str) -> tuple[Run, list[StoredEvent]]:
    """What `replay_run` needs. Raises `RunNotFound`."""
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise RunNotFound(f"there is no run {run_id}")
    return run, list(walk_events(run_id))


async def _drive(agent: Agent, journal: ReplayJournal) -> None:
    """Run the loop, and run it again after each seam of the recording."""
    effects = ReplayEffects(agent, journal)
    loop = AgentLoop(agent, journal, effects)
    while journal.state.terminal is None:
        before = journal.report.compared
        try:
            await loop.run()
        except Interrupted:
            effects.adopt_seam()
            continue
        if journal.state.terminal is not None or effects.adopt_seam():
            continue
        if journal.peek() is None or journal.report.compared == before:
            return


def _check_end(journal: ReplayJournal) -> None:
    left = journal.peek()
    if left is not None:
        raise _Diverged(
            Divergence(
                left.seq,
                "kind",
                left.kind_name,
                "",
                "the agent ends where the recording goes on",
                left.data,
                {},
            )
        )


def _without_clock(agent: Agent) -> Agent:
    """The same agent, whose wall-clock budget only the recording can trip."""
    return replace(agent, budget=agent.budget.model_copy(update={"max_wall_clock_ms": 0}))


def _agent_of(run: Run, started: RunStarted, *, force: bool) -> Agent:
    """The agent as configured now. Raises `ReplayRefused` when it is not the recorded one."""
    graph = get_version(run.graph_id, run.version_hash)
    config = graph.lone_agent
    if config is None:
        raise ReplayRefused("a run of several nodes cannot be replayed; fork it instead")
    values = {**(started.inputs or {}), GOAL: started.goal}
    try:
        agent = build_agent(graph, config, values=values, model=run.model, budget=run.budget)
    except ModelNotFound:
        raise ReplayRefused(
            f"no configured provider serves {started.provider_id}/{started.model_id}"
        ) from None
    except InvalidInput as error:
        raise ReplayRefused(str(error)) from None
    now = (agent.client.provider_id, agent.client.model_id, agent.client.api_version)
    then = (started.provider_id, started.model_id, started.api_version)
    if now != then and not force:
        raise ReplayRefused(f"recorded with {'/'.join(then)}, configured is {'/'.join(now)}")
    return agent
