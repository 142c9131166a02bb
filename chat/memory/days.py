"""Which day it is for the assistant's people: the time zone of the settings, else the host's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from chat.live_settings import current
from chat.live_settings.groups import General
from project.lib.clock import now_ns


def local_time(unix_ns: int | None = None) -> datetime:
    """That moment, or now, on the clock on the wall."""
    name = current(General).timezone
    seconds = (now_ns() if unix_ns is None else unix_ns) // 1_000_000_000
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.astimezone(ZoneInfo(name) if name else None)
