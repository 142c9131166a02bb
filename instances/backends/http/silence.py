"""The body of a log as it comes, and what its silences mean.

A log that is followed may be silent for hours. One that is not has an end, and a backend that does
not know the parameter never sends it: such a log is over when it falls silent after a whole line.
Where more may be missing than can be known, the reader is told so by an error.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import monotonic

import httpx

from instances.errors import BackendTimedOut

QUIET_SECONDS = 3.0
#: How long all waits for bytes may take together, in times of the longest single one.
MOST_WAITS = 3


class Patience:
    """With a log that has an end. Only waits count: a reader may take its time."""

    def __init__(self, read_seconds: float) -> None:
        self._read_seconds = read_seconds
        self._left = MOST_WAITS * read_seconds
        self._has_begun = self._is_whole = False

    async def wait_for(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """The next piece; `None` at the end. Raises `BackendTimedOut`."""
        began, most = monotonic(), self._most()
        try:
            async with asyncio.timeout(min(most, max(0.0, self._left))):
                piece = await anext(pieces, None)
        except TimeoutError:
            self._judge(is_silent=self._left >= most)
            return None
        self._left -= monotonic() - began
        if piece:
            self._has_begun, self._is_whole = True, piece.endswith(b"\n")
        return piece

    def _most(self) -> float:
        return min(QUIET_SECONDS, self._read_seconds) if self._has_begun else self._read_seconds

    def _judge(self, *, is_silent: bool) -> None:
        if not self._has_begun:
            raise BackendTimedOut("the backend did not answer in time")
        if not is_silent:
            raise BackendTimedOut("the log did not end in time, more of it may be missing")
        if not self._is_whole:
            raise BackendTimedOut("the log fell silent within a line, more of it may be missing")


async def pieces_of(
    response: httpx.Response, patience: Patience | None
) -> AsyncGenerator[bytes, None]:
    """Without `patience` it is waited for as long as it takes."""
    raw = response.aiter_raw()
    assert isinstance(raw, AsyncGenerator)
    async with aclosing(raw) as pieces:
        while True:
            wait = anext(pieces, None) if patience is None else patience.wait_for(pieces)
            piece = await wait
            if piece is None:
                return
            yield piece
