"""Cutting a document into the pieces that search finds. Pure, so that the same text cuts the same.

Sizes are bytes of UTF-8, each line with one more for its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a document, numbered from 1, both ends included."""

    text: str
    line_start: int
    line_end: int


def cut(content: str, *, size: int, overlap: int) -> Iterator[Chunk]:
    """Lines are taken until they reach `size`, so the one that crosses it is the chunk's last.

    A chunk begins with the lines before it that together have `overlap`, unless it would not
    advance then. The last one ends with the document; blank ones are left out. `size` is positive.
    """
    lines = _lines(content)
    sizes = [len(line.encode(errors="replace")) + 1 for line in lines]
    start = 0
    while start < len(lines):
        end = _reaching(sizes, start, size)
        text = "\n".join(lines[start:end])
        if text.strip():
            yield Chunk(text, start + 1, end)
        if end == len(lines):
            return
        begin = _overlapping(sizes, end, overlap)
        start = begin if begin > start else end


def _lines(content: str) -> list[str]:
    """As editors number them: only a line feed ends a line, and the last one may lack it."""
    lines = content.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _reaching(sizes: list[int], start: int, size: int) -> int:
    """The place behind the line with which the sum reaches `size`, or behind the last."""
    total = 0
    for place in range(start, len(sizes)):
        total += sizes[place]
        if total >= size:
            return place + 1
    return len(sizes)


def _overlapping(sizes: list[int], end: int, overlap: int) -> int:
    """The place of the first of those lines before `end` that together have `overlap`."""
    total, place = 0, end
    while place > 0 and total < overlap:
        place -= 1
        total += sizes[place]
    return place
