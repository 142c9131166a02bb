"""Times of cron expressions. Pure: expressions and times in, times out.

The dialect is the classic one: weekdays are 0 to 7 with Sunday at both ends, names of days and
months count, and where both day fields are restricted either will do (a field that begins with a
star restricts nothing). Besides, `L`, `LW` and `#` as cronsim has them. Six fields have seconds
first, seven have years last, and some expressions have a name, such as `@daily`.

Daylight saving is Debian cron's rule, which cronsim follows: a job at a fixed time that the clock
skips runs right after the gap, one in the hour that comes twice runs once, and jobs that run every
hour or every few minutes go by elapsed time. So do those that run at several seconds of a minute.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIRST_YEAR, LAST_YEAR = 1970, 2099

_YEARS = re.compile(r"(?:(\*)|(\d{4})(?:-(\d{4}))?)(?:/(\d{1,3}))?", re.ASCII)
_SECOND = re.compile(r"[0-5]?\d", re.ASCII)


class CrontabError(ValueError):
    """What is no expression, or no time zone. The message is for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Crontab:
    """An expression that was understood."""

    _fields: str  # as cronsim takes them: five, or six with several seconds
    _second: int  # of the minute, where there is but one
    _years: frozenset[int] | None  # None: every one

    @classmethod
    def parse(cls, expression: str) -> "Crontab":
        """Raises `CrontabError`, also for what no date fits."""
        fields = ALIASES.get(expression.strip().lower(), expression).upper().split()
        if not 5 <= len(fields) <= 7:
            raise CrontabError(
                "expected five fields: minute, hour, day of month, month, day of week;"
                " six have seconds first, seven have years last"
            )
        years = _years(fields.pop()) if len(fields) == 7 else None
        second = 0
        if len(fields) == 6 and _SECOND.fullmatch(fields[0]):
            # With one second it is an expression of minutes like any other, daylight saving too.
            second = int(fields.pop(0))
        fields[-3] = "*" if fields[-3] == "?" else fields[-3]
        # A week that begins on Monday ends with Sunday.
        fields[-1] = "*" if fields[-1] == "?" else fields[-1].replace("-SUN", "-7")
        crontab = cls(" ".join(fields), second, years)
        try:
            CronSim(crontab._fields, datetime.now(UTC))
        except CronSimError as error:
            raise CrontabError(f"{_lowered(str(error))} in {expression!r}") from None
        return crontab

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after `moment`, in its time zone. They may end."""
        zone, shift = moment.tzinfo, timedelta(seconds=self._second)
        start = (moment.astimezone(UTC) - shift).astimezone(zone)
        for time in self._in_years(start):
            # Over UTC: sums of local times forget which of two equal hours is meant.
            yield (time.astimezone(UTC) + shift).astimezone(zone) if shift else time

    def _in_years(self, start: datetime) -> Iterator[datetime]:
        if self._years is None:
            yield from CronSim(self._fields, start)
            return
        while True:
            for time in CronSim(self._fields, start):
                if time.year not in self._years:
                    break
                yield time
            else:
                return
            year = min((year for year in self._years if year > time.year), default=None)
            if year is None:
                return
            start = datetime(year, 1, 1, tzinfo=start.tzinfo) - timedelta(seconds=1)


def find_zone(name: str) -> ZoneInfo:
    """Raises `CrontabError` for what is no name of one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
        raise CrontabError(f"{name!r} is no IANA time zone such as Europe/Berlin or UTC") from None


def _years(field: str) -> frozenset[int] | None:
    """`*`, `2030`, `2030-2035`, `2030/2`, and lists of them."""
    if field == "*":
        return None
    years: set[int] = set()
    for term in field.split(","):
        found = _YEARS.fullmatch(term)
        if found is None or found[4] == "0":
            raise CrontabError(f"bad year in {field!r}")
        first = int(found[2] or FIRST_YEAR)
        last = int(found[3]) if found[3] else LAST_YEAR if found[1] or found[4] else first
        if not FIRST_YEAR <= first <= last <= LAST_YEAR:
            raise CrontabError(f"years are {FIRST_YEAR} to {LAST_YEAR}, in order, not {term!r}")
        years.update(range(first, last + 1, int(found[4] or 1)))
    return frozenset(years)


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
