"""What is wrong with a graph document: every complaint with its place and a way out."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from runs.errors import RunsError


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint. `pointer` is an RFC 6901 JSON pointer into the document."""

    pointer: str
    message: str
    expected: str = ""
    actual: str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.pointer or '/'}: {self.message}"
        if self.expected:
            got = f", got {self.actual}" if self.actual else ""
            text += f" (expected {self.expected}{got})"
        return f"{text}. {self.hint}" if self.hint else text

    def under(self, prefix: str) -> "Problem":
        return replace(self, pointer=prefix + self.pointer)

    def as_map(self) -> dict[str, str]:
        return asdict(self)


class GraphInvalid(RunsError):
    """The document is refused, whole. `problems` has every complaint; the message is the first."""

    def __init__(self, problems: Iterable[Problem], *, source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        more = len(self.problems) - 1
        text = f"{source}: {self.problems[0]}" if source else str(self.problems[0])
        super().__init__(f"{text} (and {more} more)" if more else text)


def pointer(*parts: object) -> str:
    """A JSON pointer; `~` and `/` in parts are escaped."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
