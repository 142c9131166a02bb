"""When rounds are due: at even intervals of the monotonic clock, whatever a round takes."""


class Pace:
    """The first round comes one interval after `now`. A late one is not made up for."""

    def __init__(self, now: float) -> None:
        self._last = now  # when the round before was due
        self._interval: float | None = None

    def due_in(self, now: float, interval: float) -> float:
        """Seconds until the next round; none are left when it is due."""
        if self._interval != interval:
            self._interval = interval
            self._last = max(self._last, now - interval)
        return max(0.0, self._last + interval - now)

    def begin(self, now: float) -> int:
        """A round that is due begins; how many before it were left out."""
        assert self._interval is not None
        passed = int((now - self._last) // self._interval)
        self._last += passed * self._interval
        return passed - 1
