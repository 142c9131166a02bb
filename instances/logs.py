"""Log streams of instances: bytes in, entries out. Pure; whoever reads a log reads it with this.

A line is a JSON object of the contract (`timestamp`, `level`, `message`). A line that is none is
not an error but text, of which as much is understood as can be: its time and its level.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any

import orjson

from instances.objects import LogEntry
from instances.times import read_time

#: A longer line is cut: what never ends a line must not fill the memory.
MAX_LINE_BYTES = 64 * 1024
CUT_MARK = " …"

_LEVELS = {
    "err": "error",
    "fatal": "error",
    "critical": "error",
    "panic": "error",
    "warning": "warn",
    "notice": "info",
}
_WORDS = "ERROR|ERR|FATAL|CRITICAL|PANIC|WARNING|WARN|NOTICE|INFO|DEBUG|TRACE"
_TIME = re.compile(
    r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?(?:\s+|$)"
)
# Capitals, brackets or a colon: a sentence may begin with the word Error.
_LEVEL = re.compile(rf"(?:\[\s*(?i:({_WORDS}))\s*\]:?|((?i:{_WORDS})):|({_WORDS}):?)(?:\s+|$)")
_MESSAGE_FIELDS = ("message", "msg", "event")
_TIME_FIELDS = ("timestamp", "time", "ts")
_LEVEL_FIELDS = ("level", "severity")


class LogParser:
    """Takes a log in pieces as they come, and gives the entries that are complete by then."""

    def __init__(self) -> None:
        self._rest = b""  # the beginning of a line
        self._is_skipping = False  # the rest of a line that was cut

    def feed(self, data: bytes) -> list[LogEntry]:
        """Pieces may end anywhere, also within a character."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [entry for line in lines for entry in self._entry_of(line)] + self._cut_if_long()

    def finish(self) -> list[LogEntry]:
        """The last line, whose end never came."""
        line, self._rest = self._rest, b""
        return list(self._entry_of(line))

    def _entry_of(self, line: bytes) -> Iterator[LogEntry]:
        if self._is_skipping:
            self._is_skipping = False
        elif len(line) > MAX_LINE_BYTES:
            yield _cut_entry(line)
        elif (entry := parse_line(line)) is not None:
            yield entry

    def _cut_if_long(self) -> list[LogEntry]:
        """A line without an end is shown now, and nobody waits for its rest."""
        if self._is_skipping:
            self._rest = b""
        if len(self._rest) <= MAX_LINE_BYTES:
            return []
        line, self._rest, self._is_skipping = self._rest, b"", True
        return [_cut_entry(line)]


def parse_line(line: bytes) -> LogEntry | None:
    """One whole line; `None` for a blank one."""
    line = line.strip()
    if not line:
        return None
    if line.startswith(b"{") and (entry := _entry_of_json(line)) is not None:
        return entry
    text = line.decode(errors="replace").strip()
    return entry_of_text(text) if text else None


def entry_of_text(text: str) -> LogEntry:
    """`<time> <LEVEL> message`, `[LEVEL] message`, `LEVEL message`, or just a message."""
    timestamp, level = 0, "info"
    if found := _TIME.match(text):
        timestamp = read_time(found[1]) or 0
        text = text[found.end() :]
    if found := _LEVEL.match(text):
        level = level_of(found[1] or found[2] or found[3])
        text = text[found.end() :]
    return LogEntry(timestamp, "debug" if level == "trace" else level, text)


def level_of(word: str) -> str:
    """As the contract spells it; a word that it does not know is passed on."""
    word = word.strip().lower()
    return _LEVELS.get(word, word)


def as_line(entry: LogEntry) -> bytes:
    """As it stands on the wire, with the end of its line."""
    return orjson.dumps(as_map(entry), option=orjson.OPT_APPEND_NEWLINE)


def as_map(entry: LogEntry) -> dict[str, Any]:
    return {"timestamp": entry.timestamp, "level": entry.level, "message": entry.message}


def _entry_of_json(line: bytes) -> LogEntry | None:
    """`None` when it is none: the line is text then."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    message = _first(found, _MESSAGE_FIELDS)
    if not isinstance(message, str):
        return None
    level = _first(found, _LEVEL_FIELDS)
    return LogEntry(
        timestamp=read_time(_first(found, _TIME_FIELDS)) or 0,
        level=level_of(level) if isinstance(level, str) and level.strip() else "info",
        message=message,
    )


def _first(found: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((found[name] for name in names if name in found), None)


def _cut_entry(line: bytes) -> LogEntry:
    # Not `decode`: the cut may lie within a character.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    entry = entry_of_text(decoder.decode(line[:MAX_LINE_BYTES]).strip())
    return LogEntry(entry.timestamp, entry.level, entry.message + CUT_MARK)
