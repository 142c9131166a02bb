"""What became of one execution of a node."""

from dataclasses import dataclass, field
from typing import Any

from runs.event_types import InputRequested
from runs.graphs.rules import Fact


@dataclass(frozen=True, slots=True)
class Finished:
    """It put out changes of the state; `goto` overrules the routing, `halt_reason` ends the run."""

    output: dict[str, Any] = field(default_factory=dict)
    goto: str | None = None
    halt_reason: str | None = None
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """`is_final` failures end the run whatever its rules say."""

    error: str
    error_type: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class WaitsForInput:
    """It has a question, which may have been asked already."""

    request: InputRequested


@dataclass(frozen=True, slots=True)
class WaitsUntil:
    """Nothing to do before that time; Unix ns."""

    until_ns: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """It was left in the middle: the process drains, or the rest of the step has to wait."""


Outcome = Finished | Failed | WaitsForInput | WaitsUntil | Stopped
