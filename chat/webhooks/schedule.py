"""When an attempt is made again."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: Seconds from an attempt that failed to the next. The first attempt is made at once.
DELAYS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_TRIES = len(DELAYS) + 1
#: What failed together is not sent again together: up to a fifth later.
JITTER = 0.2
#: A receiver may ask us to wait, but not for ever.
RETRY_AFTER_AT_MOST = 86_400
_random = secrets.SystemRandom()


def next_attempt(
    tries: int, now: datetime, *, status: int | None, headers: Mapping[str, str]
) -> datetime | None:
    """When to try again after `tries` attempts; `None` after the last.

    A receiver that has no time (429, 503) is asked no sooner than it says.
    """
    if tries >= MAX_TRIES:
        return None
    seconds = DELAYS[tries - 1] * (1 + JITTER * _random.random())
    if status in (429, 503):
        seconds = max(seconds, _retry_after(headers.get("retry-after", ""), now))
    return now + timedelta(seconds=seconds)


def _retry_after(text: str, now: datetime) -> float:
    """Seconds; 0 when there is nothing sensible."""
    if text.isascii() and text.isdecimal():
        return min(int(text[:10]), RETRY_AFTER_AT_MOST)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min((moment - now).total_seconds(), RETRY_AFTER_AT_MOST)
