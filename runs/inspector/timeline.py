"""The events of a run a window at a time, each as one line.

Payloads kept outside the database are not fetched for a line: two hundred of them could be
hundreds of megabytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from project.lib.clock import to_rfc3339
from runs.event_types import KIND_NAMES, TERMINAL_KINDS, StepCompleted
from runs.inspector import formats, summaries
from runs.inspector.payloads import decode_map
from runs.log.codec import CodecError
from runs.models import Event, ExternalPayload, Redaction

#: Events on one page.
WINDOW = 200


@dataclass(frozen=True, slots=True)
class Row:
    seq: int
    kind: str
    family: str
    time: str  # RFC 3339
    summary: str
    note: str = ""
    call_id: str = ""
    is_redacted: bool = False
    is_terminal: bool = False
    is_inner: bool = False  # of a branch, an item or a subgraph

    @property
    def ends_step(self) -> bool:
        return self.kind == StepCompleted.__name__ and not self.is_inner

    @property
    def label(self) -> str:
        return f"#{self.seq:04d}"

    @property
    def clock(self) -> str:
        """`hh:mm:ss.mmm` in UTC; the page's script turns it into local time."""
        return self.time[11:23]


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive events. `after` is the seq before the first one."""

    after: int
    rows: tuple[Row, ...]
    has_later: bool

    @property
    def last_seq(self) -> int:
        return self.rows[-1].seq if self.rows else self.after

    @property
    def earlier_after(self) -> int | None:
        """Where the window before this one begins."""
        return max(0, self.after - WINDOW) if self.after > 0 else None


def read_window(run_id: str, *, after: int) -> Window:
    stored = list(
        Event.objects.filter(run_id=run_id, seq__gt=after)
        .order_by("seq")
        .values_list("seq", "ts", "kind", "payload")[: WINDOW + 1]
    )
    shown = stored[:WINDOW]
    elsewhere = _say_where([seq for seq, _, _, payload in shown if payload is None], run_id)
    inner: set[str] = set()
    rows = tuple(
        _row_without_payload(seq, ts, kind, elsewhere[seq])
        if payload is None
        else _row(seq, ts, kind, bytes(payload), inner)
        for seq, ts, kind, payload in shown
    )
    return Window(after, rows, has_later=len(stored) > WINDOW)


@dataclass(frozen=True, slots=True)
class _Absence:
    """Why a row holds no payload, in words."""

    text: str
    is_redacted: bool


def _say_where(seqs: Sequence[int], run_id: str) -> dict[int, _Absence]:
    if not seqs:
        return {}
    absences = {seq: _Absence("the payload is missing", False) for seq in seqs}
    sizes = ExternalPayload.objects.filter(run_id=run_id, seq__in=seqs).values_list("seq", "size")
    absences |= {seq: _Absence(f"{formats.size(size)} of payload", False) for seq, size in sizes}
    records = Redaction.objects.filter(run_id=run_id, seq__in=seqs).values_list("seq", "reason")
    return absences | {seq: _Absence(f"redacted: {reason}", True) for seq, reason in records}


def _row(seq: int, ts: int, kind: int, payload: bytes, inner: set[str]) -> Row:
    """`inner` collects the turns and calls inside a step, whose later events do not say so."""
    try:
        data = decode_map(payload)
    except CodecError as error:
        return _row_without_payload(seq, ts, kind, _Absence(str(error), False))
    ids = {str(data[key]) for key in ("turn_id", "call_id") if data.get(key)}
    is_inner = summaries.is_inner(data) or bool(ids & inner) or any(":" in item for item in ids)
    if is_inner:
        inner |= ids
    return Row(
        seq=seq,
        kind=_name(kind),
        family=summaries.family_of(kind),
        time=to_rfc3339(ts),
        summary=summaries.summarize(kind, data),
        note=summaries.metric_note(kind, data),
        call_id=summaries.call_id_of(data),
        is_terminal=kind in TERMINAL_KINDS,
        is_inner=is_inner,
    )


def _row_without_payload(seq: int, ts: int, kind: int, absence: _Absence) -> Row:
    return Row(
        seq=seq,
        kind=_name(kind),
        family=summaries.family_of(kind),
        time=to_rfc3339(ts),
        summary=absence.text,
        is_redacted=absence.is_redacted,
        is_terminal=kind in TERMINAL_KINDS,
    )


def _name(kind: int) -> str:
    return KIND_NAMES.get(kind, f"Kind{kind}")
