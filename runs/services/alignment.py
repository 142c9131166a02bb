"""Which steps of two runs belong together: the longest way through both, found in bounded time."""

from collections.abc import Hashable, Sequence

#: Edits looked for at once. The time for runs that differ in d steps grows with d times this
#: number at the most, and so does that of runs that have nothing in common.
MAX_EDITS = 64

Pairs = list[tuple[int, int]]


def align(first: Sequence[Hashable], second: Sequence[Hashable]) -> Pairs:
    """Positions of equal items, ascending in both: as many as there are when little differs.

    Two sequences that differ in more than `MAX_EDITS` places are gone through in pieces, each
    from the furthest point that the one before has come to.
    """
    pairs: Pairs = []
    x = y = 0
    while x < len(first) and y < len(second):
        x, y, found = _piece(first, second, x, y)
        pairs += found
    return pairs


def _piece(
    first: Sequence[Hashable], second: Sequence[Hashable], x: int, y: int
) -> tuple[int, int, Pairs]:
    """Myers' greedy algorithm from there, to the end or as far as `MAX_EDITS` lead."""
    begin_x, begin_y = x, y
    furthest = {1: begin_x}  # by diagonal: x - y, counted from the beginning
    trace: list[dict[int, int]] = []
    for edits in range(MAX_EDITS + 1):
        trace.append(dict(furthest))
        for diagonal in range(-edits, edits + 1, 2):
            x = _step(furthest, diagonal, edits)
            y = begin_y + (x - begin_x) - diagonal
            while x < len(first) and y < len(second) and first[x] == second[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            if x >= len(first) and y >= len(second):
                return x, y, _pairs(trace, diagonal, x, begin_x, begin_y)
    reached = {
        diagonal: x
        for diagonal, x in furthest.items()
        if (diagonal + MAX_EDITS) % 2 == 0
        and x <= len(first)
        and begin_y + (x - begin_x) - diagonal <= len(second)
    }
    # Of all that so many edits reach, the point with the least left behind it.
    best = max(reached, key=lambda diagonal: 2 * reached[diagonal] - diagonal)
    x = reached[best]
    y = begin_y + (x - begin_x) - best
    return x, y, _pairs(trace, best, x, begin_x, begin_y)


def _step(furthest: dict[int, int], diagonal: int, edits: int) -> int:
    """The x that the next edit leads to on this diagonal: down, or to the right."""
    if diagonal == -edits:
        return furthest[diagonal + 1]
    right = furthest[diagonal - 1] + 1
    if diagonal == edits:
        return right
    return max(right, furthest[diagonal + 1])


def _pairs(trace: list[dict[int, int]], diagonal: int, x: int, begin_x: int, begin_y: int) -> Pairs:
    """Back along the way that led there."""
    pairs: Pairs = []
    for edits in range(len(trace) - 1, -1, -1):
        before = trace[edits]
        start = _step(before, diagonal, edits) if edits else begin_x
        while x > start:
            x -= 1
            pairs.append((x, begin_y + (x - begin_x) - diagonal))
        if edits:
            is_down = start == before.get(diagonal + 1) and (
                diagonal == -edits or start != before.get(diagonal - 1, start) + 1
            )
            diagonal += 1 if is_down else -1
            x = start if is_down else start - 1
    pairs.reverse()
    return pairs
