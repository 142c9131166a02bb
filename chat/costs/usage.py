"""From the log of a run that has ended to its row in the accounts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chat.models import Exchange, UsageRow
from runs.event_types import KIND_NUMBERS
from runs.log.codec import CodecError
from runs.log.events import StoredEvent
from runs.log.read import read_kinds
from runs.models import Run
from runs.storable import NUL

_NAME = 200  # characters of a tool's name
_KINDS = [
    KIND_NUMBERS[name]
    for name in (
        "AssistantMessageCompleted",
        "ToolCallScheduled",
        "ToolCallCompleted",
        "ToolCallFailed",
    )
]


#: What is read of a run's row; its inputs may be a whole conversation.
READ_COLUMNS = (
    "creator_id",
    "actor",
    "api_key_id",
    "trigger_source",
    "model_id",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "started_ns",
    "accepted_at",
)


@dataclass(slots=True)
class _Tally:
    """What the events of one run add up to, beside what its row says."""

    tool_turns: int = 0
    cache_read: int = 0
    cache_write: int = 0
    tool_of_call: dict[str, str] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)  # calls whose last attempt failed

    def add(self, event: StoredEvent) -> None:
        data = event.data
        if not data:  # redacted: what it said is gone, the totals on the row are not
            return
        match event.kind_name:
            case "AssistantMessageCompleted":
                self.tool_turns += bool(data.get("tool_uses"))
                self.cache_read += data.get("cache_read_tokens", 0)
                self.cache_write += data.get("cache_create_tokens", 0)
            case "ToolCallScheduled":
                # Models invent names; some of what they can hold no column can.
                self.tool_of_call[data["call_id"]] = data["tool"].replace(NUL, "\ufffd")[:_NAME]
            case "ToolCallFailed":
                self.failed.add(data["call_id"])
            case "ToolCallCompleted":
                self.failed.discard(data["call_id"])

    def tools(self) -> dict[str, list[int]]:
        """By name how often it was called, and how often in vain."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for call_id, tool in self.tool_of_call.items():
            counts[tool][0] += 1
            counts[tool][1] += call_id in self.failed
        return dict(counts)


def rows_of(runs: Sequence[Run]) -> list[UsageRow]:
    """The rows of runs that have ended, not stored yet."""
    ids = [run.pk for run in runs]
    tallies = _tally(read_kinds(ids, _KINDS))
    sessions = _sessions_of(ids)
    return [_row(run, tallies[run.pk], sessions.get(run.pk, ("", ""))) for run in runs]


def _tally(events: Iterable[StoredEvent]) -> defaultdict[str, _Tally]:
    tallies: defaultdict[str, _Tally] = defaultdict(_Tally)
    for event in events:
        try:
            tallies[event.run_id].add(event)
        except (CodecError, AttributeError, KeyError, TypeError):
            # A damaged log is for `runs validate` to report; one must not stop all accounts, and
            # the totals are on the run's row.
            continue
    return tallies


def _sessions_of(run_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Of the runs that belong to a conversation: its id, and whose it is."""
    found = Exchange.objects.filter(run_id__in=run_ids)
    return {
        run_id: (session_id, owner)
        for run_id, session_id, owner in found.values_list("run_id", "session_id", "session__owner")
    }


def _row(run: Run, tally: _Tally, session: tuple[str, str]) -> UsageRow:
    session_id, owner = session
    return UsageRow(
        run_id=run.pk,
        session_id=session_id,
        # Where no user stands behind a run, whoever it was carried out for.
        user_id=(run.creator_id or owner or run.actor)[:100],
        api_key_id=run.api_key_id,
        source=run.trigger_source,
        model=run.model_id,
        turn=tally.tool_turns,
        input_tokens=max(0, run.input_tokens - tally.cache_read - tally.cache_write),
        output_tokens=run.output_tokens,
        cache_read=tally.cache_read,
        cache_write=tally.cache_write,
        cost_usd=run.cost_usd,
        tools=tally.tools(),
        timestamp=began_at(run),
    )


def began_at(run: Run) -> datetime:
    if run.started_ns is None:
        return run.accepted_at
    return datetime.fromtimestamp(run.started_ns / 1e9, UTC)
