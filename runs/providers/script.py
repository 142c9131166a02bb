"""The little language of the `scripted` model: lines of a user message that start with `!`."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import get_args

from blake3 import blake3

from runs.providers.base import (
    ErrorKind,
    ProviderError,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
)

_WORD = re.compile(r"\s*\S+|\s+")
_FAILURES: frozenset[str] = frozenset(get_args(ErrorKind))
# A script is a few lines of text; what it expands to must stay small as well.
_MAX_WORDS_OF_A_REPEAT = 100_000
_MAX_PAUSE_SECONDS = 86_400.0
# A long answer lets the event loop breathe, and reports how far it is, this often (words).
_WORDS_PER_REPORT = 32


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    kind: ErrorKind


@dataclass(frozen=True, slots=True)
class WordCount:
    """Output words streamed so far."""

    words: int


Step = TextDelta | ReasoningDelta | ToolCall | Usage | Pause | Failure | WordCount


@dataclass(frozen=True, slots=True)
class Turn:
    """What one model call plays, in order."""

    steps: tuple[Step, ...]
    words: int
    usage: Usage | None  # None: words are counted
    stop_reason: str
    response_hash: bytes


@lru_cache(maxsize=64)
def parse_script(text: str) -> tuple[Turn, ...]:
    """The turns of a message; without directives one turn that repeats it back.

    Raises `ProviderError` (bad_request) for an unknown directive or bad arguments.
    """
    lines = [line for line in text.splitlines() if line.startswith("!")]
    if not lines:
        return (plain_turn(f"You said: {text}"),)
    turns: list[Turn] = []
    building = _TurnBuilder()
    for line in lines:
        name, _, rest = line[1:].partition(" ")
        if building.has_ended_before(name):
            turns.append(building.turn())
            building = _TurnBuilder()
        if name != "turn":
            building.add(name, rest)
        elif building.has_tools:
            building.is_closed = True
    turns.append(building.turn())
    return tuple(turns)


def plain_turn(text: str) -> Turn:
    building = _TurnBuilder()
    building.add("say", text)
    return building.turn()


@dataclass
class _TurnBuilder:
    steps: list[Step] = field(default_factory=list)
    words: int = 0
    usage: Usage | None = None
    has_text: bool = False
    has_reasoning: bool = False
    has_tools: bool = False
    is_closed: bool = False  # by a `!turn` after its tool calls

    def has_ended_before(self, directive: str) -> bool:
        """Tool calls end a turn by themselves, so a `!turn` after them is taken by what follows."""
        if self.is_closed:
            return directive != "turn"
        if self.has_tools:
            return directive not in ("tool", "turn")
        return directive == "turn"

    def add(self, name: str, rest: str) -> None:
        directive = _DIRECTIVES.get(name)
        if directive is None:
            raise bad_script(f"!{name} is no directive; known are {', '.join(sorted(_KNOWN))}")
        directive(self, rest)

    def turn(self) -> Turn:
        # With !usage the word counts would contradict the counts the script asked for.
        steps = [s for s in self.steps if self.usage is None or not isinstance(s, WordCount)]
        return Turn(
            steps=tuple(steps),
            words=self.words,
            usage=self.usage,
            stop_reason="tool_use" if self.has_tools else "stop",
            response_hash=blake3(b"".join(_chunk(step) for step in steps)).digest(),
        )

    def say(self, text: str) -> None:
        self._add_text(_WORD.findall("\n" + text if self.has_text else text))

    def repeat(self, rest: str) -> None:
        count_text, _, text = rest.partition(" ")
        count = _whole_number("repeat", count_text)
        if not text or count * len(text.split()) > _MAX_WORDS_OF_A_REPEAT:
            raise bad_script(f"!repeat takes N TEXT, at most {_MAX_WORDS_OF_A_REPEAT} words in all")
        first, again = _WORD.findall(text), _WORD.findall(" " + text)
        if self.has_text:
            first = ["\n", *first]
        self._add_text((first + again * (count - 1)) if count else [])

    def _add_text(self, chunks: list[str]) -> None:
        self.has_text = True
        deltas = {chunk: TextDelta(chunk) for chunk in set(chunks)}
        for chunk in chunks:
            self.steps.append(deltas[chunk])
            if chunk.isspace():
                continue
            self.words += 1
            if self.words % _WORDS_PER_REPORT == 0:
                self.steps += [WordCount(self.words), Pause(0)]

    def think(self, text: str) -> None:
        self.steps.append(ReasoningDelta("\n" + text if self.has_reasoning else text))
        self.has_reasoning = True
        self.words += len(text.split())

    def tool(self, rest: str) -> None:
        name, _, arguments = rest.strip().partition(" ")
        arguments = arguments.strip() or "{}"
        if not name or not _is_json_object(arguments):
            raise bad_script("!tool takes NAME and the arguments as one JSON object")
        self.steps.append(ToolCall(call_id="", tool=name, arguments=arguments))
        self.has_tools = True
        self.words += len(rest.split())

    def sleep(self, rest: str) -> None:
        try:
            seconds = float(rest)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= _MAX_PAUSE_SECONDS:  # false for NaN too
            raise bad_script("!sleep takes a number of seconds, at most a day")
        self.steps.append(Pause(seconds))

    def report_usage(self, rest: str) -> None:
        counts = rest.split()
        if len(counts) != 2:
            raise bad_script("!usage takes IN OUT")
        tokens_in, tokens_out = (_whole_number("usage", count) for count in counts)
        self.usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        self.steps.append(self.usage)

    def fail(self, rest: str) -> None:
        kind = rest.strip()
        if kind not in _FAILURES:
            raise bad_script(f"!fail takes one of {', '.join(sorted(_FAILURES))}")
        self.steps.append(Failure(kind))  # type: ignore[arg-type]  # checked against ErrorKind


_DIRECTIVES: dict[str, Callable[[_TurnBuilder, str], None]] = {
    "say": _TurnBuilder.say,
    "think": _TurnBuilder.think,
    "tool": _TurnBuilder.tool,
    "sleep": _TurnBuilder.sleep,
    "usage": _TurnBuilder.report_usage,
    "fail": _TurnBuilder.fail,
    "repeat": _TurnBuilder.repeat,
}
_KNOWN = [f"!{name}" for name in (*_DIRECTIVES, "turn")]


def bad_script(message: str) -> ProviderError:
    return ProviderError("bad_request", message, status=400)


def _whole_number(directive: str, text: str) -> int:
    # isdecimal() alone would let a string of thousands of digits through to int().
    if not (text.isdecimal() and len(text) <= 12):
        raise bad_script(f"!{directive} takes whole numbers")
    return int(text)


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _chunk(step: Step) -> bytes:
    match step:
        case TextDelta(text) | ReasoningDelta(text):
            return text.encode("utf-8", "surrogatepass")
        case ToolCall(_, tool, arguments):
            return f"{tool} {arguments}".encode("utf-8", "surrogatepass")
        case _:
            return b""
