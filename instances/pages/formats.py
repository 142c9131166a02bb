"""Numbers and moments as the pages print them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from accounts.names import name_actors


@dataclass(frozen=True, slots=True)
class Moment:
    at: str  # RFC 3339, UTC
    age: str  # how long ago, in words


def moment(at: datetime, now: datetime) -> Moment:
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Moment(text, span((now - at).total_seconds()))


def moment_of(seconds: int, now: datetime) -> Moment | None:
    """Unix seconds, as a backend sends them; `None` for what is no date."""
    try:
        return moment(datetime.fromtimestamp(seconds, UTC), now)
    except (ValueError, OverflowError, OSError):
        return None


def span(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 days`: at a glance. Clocks that differ make no negative one."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def megabytes(number: int) -> str:
    """`256 MB`, `1.5 GB`."""
    return f"{number:,} MB" if number < 10_000 else f"{number / 1024:,.1f} GB"


def web_address(url: str) -> str:
    """An address that may become a link, or nothing: a backend could send `javascript:`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def names_of(actors: Collection[str | None]) -> dict[str, str]:
    return name_actors({actor for actor in actors if actor})
