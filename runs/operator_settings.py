"""What operators change while the program runs, as far as runs need to know it.

An app above keeps it and provides the source; until it does, the environment alone counts. `now` is
asked for every event and on event loops, so it only repeats what was read last: whoever begins work
here (the engine, a server, a command) calls `refresh`, and goes on doing so while it works.
"""

import re
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """Hashable, so that what is made from it can be remembered under it."""

    #: Keys and addresses of providers by the names of their settings, whose values they replace.
    providers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: What never gets into a log, beside what the environment names.
    patterns: tuple[re.Pattern[str], ...] = ()
    has_built_in_patterns: bool = True

    def provider_setting(self, name: str) -> str | None:
        """`None` when nobody set it here."""
        return next((value for known, value in self.providers if known == name), None)


class Source(Protocol):
    def remembered(self) -> OperatorSettings:
        """Without waiting for anything, from any thread."""
        ...

    def refresh(self) -> None:
        """Read anew, in a thread that may use the database. What cannot be read stays as it was."""
        ...


class _EnvironmentAlone:
    def remembered(self) -> OperatorSettings:
        return OperatorSettings()

    def refresh(self) -> None:
        pass


#: Seconds between two calls of `refresh` by who works on.
REFRESH_SECONDS = 0.5

_source: Source = _EnvironmentAlone()


def provide(source: Source) -> None:
    """Called once, when the program is put together."""
    global _source
    _source = source


def now() -> OperatorSettings:
    return _source.remembered()


def refresh() -> None:
    _source.refresh()
