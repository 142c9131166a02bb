"""What comes first. Scores are negative, the smallest is the best, as SQLite's bm25 has them."""

import math
import re
import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date
from typing import TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)

#: Documents that say who somebody is do not age.
TIMELESS = frozenset({"SOUL.md", "USER.md", "MEMORY.md", "HEARTBEAT.md"})
UNDATED = 0.8
FUSION_K = 60

_DAILY = re.compile(r"memory/(\d{4}-\d{2}-\d{2})\.md", re.ASCII)


def wanted_candidates(limit: int) -> int:
    """How many of the best to look at before time and likeness have their say."""
    return max(3 * limit, 30)


def decay(source: str, *, today: date, half_life_days: float) -> float:
    """By what a score is multiplied: logs of days count half after each half-life."""
    if source in TIMELESS:
        return 1.0
    written = _day_of(source)
    if written is None:
        return UNDATED
    age = max(0, (today - written).days)
    # Never quite nothing: a score of 0 could not be told from another one.
    return max(math.exp2(-min(age / half_life_days, 1_000.0)), sys.float_info.min)


def _day_of(source: str) -> date | None:
    named = _DAILY.fullmatch(source)
    try:
        return date.fromisoformat(named[1]) if named else None
    except ValueError:  # the 31st of February
        return None


def fuse(rankings: Iterable[Sequence[KeyT]]) -> dict[KeyT, float]:
    """Reciprocal ranks, summed: the scores of everything that stands in one of the rankings."""
    scores: dict[KeyT, float] = {}
    for ranking in rankings:
        for place, key in enumerate(ranking):
            scores[key] = scores.get(key, 0.0) - 1.0 / (FUSION_K + place)
    return scores


def diversify(
    relevance: Sequence[float],
    likeness: Callable[[int, int], float],
    *,
    trade: float,
    limit: int,
) -> list[int]:
    """Places of `relevance`, each the best of what is left: near the query (with the weight
    `trade`) and unlike what was chosen before (with the rest)."""
    chosen: list[int] = []
    left = list(range(len(relevance)))
    nearest = dict.fromkeys(left, float("-inf"))  # likeness to the chosen one it is most like
    while left and len(chosen) < limit:
        if chosen:
            for place in left:
                nearest[place] = max(nearest[place], likeness(place, chosen[-1]))
        best = max(left, key=lambda place: _worth(relevance[place], nearest[place], trade))
        left.remove(best)
        chosen.append(best)
    return chosen


def _worth(relevance: float, nearest: float, trade: float) -> float:
    penalty = 0.0 if nearest == float("-inf") else nearest
    return trade * relevance - (1.0 - trade) * penalty
