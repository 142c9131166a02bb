"""Which time zone the times of schedules are meant in."""

from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings

from chat.live_settings import current
from chat.live_settings.groups import General
from project.lib.crontab import CrontabError, find_zone

_LOCALTIME = Path("/etc/localtime")
_FOLDER = "zoneinfo/"


def current_zone() -> ZoneInfo:
    """The one that the settings name, else this machine's, else UTC."""
    chosen = current(General).timezone
    return ZoneInfo(chosen) if chosen else _zone_of_host()


def _zone_of_host() -> ZoneInfo:
    for name in (settings.HOST_TIME_ZONE, _linked_zone()):
        try:
            return find_zone(name)
        except CrontabError:  # nobody has said, or not in a form that has a name
            continue
    return ZoneInfo("UTC")


def _linked_zone() -> str:
    """Where the system keeps it: a link into the folder of all zones."""
    try:
        target = str(_LOCALTIME.readlink())
    except OSError:
        return ""
    return target.partition(_FOLDER)[2]
