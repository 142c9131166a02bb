"""What the turns that stream now in this process have said so far, for those who come late.

Not recorded anywhere: a turn's text is an event when the turn is over, and forgotten here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Text:
    attempt: int
    length: int = 0
    pieces: list[str] = field(default_factory=list)


_open: dict[str, dict[str, _Text]] = {}  # by run and turn


def add(run_id: str, turn_id: str, text: str, attempt: int) -> int:
    """Note a piece; how many characters of its attempt came before it."""
    turns = _open.setdefault(run_id, {})
    said = turns.get(turn_id)
    if said is None or said.attempt != attempt:
        said = turns[turn_id] = _Text(attempt)
    offset = said.length
    said.pieces.append(text)
    said.length += len(text)
    return offset


def so_far(run_id: str) -> Iterator[tuple[str, int, str]]:
    """Turn, attempt and text of what streams now in that run."""
    for turn_id, said in list(_open.get(run_id, {}).items()):
        yield turn_id, said.attempt, "".join(said.pieces)


def forget(run_id: str, turn_id: str = "") -> None:
    """A turn is over, or without one: the run is in other hands now, or has ended."""
    if not turn_id:
        _open.pop(run_id, None)
    elif run_id in _open:
        _open[run_id].pop(turn_id, None)
