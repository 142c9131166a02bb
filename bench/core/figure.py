"""What a figure is: rows of a value beside a yardstick, some with a target."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Scale(StrEnum):
    """How much work a figure does."""

    FULL = "full"  # what docs/performance.md shows
    QUICK = "quick"  # the same shape in about a quarter of the time
    TINY = "tiny"  # only shows that the figure runs


@dataclass(frozen=True, slots=True)
class Target:
    """A bound of a row's value, or of its ratio to the yardstick."""

    of: Literal["ratio", "value"]
    is_minimum: bool
    bound: float

    def is_met(self, row: "Row") -> bool:
        measured = row.ratio if self.of == "ratio" else row.value
        return measured >= self.bound if self.is_minimum else measured <= self.bound


def at_least(bound: float) -> Target:
    return Target("value", True, bound)


def at_most(bound: float) -> Target:
    return Target("value", False, bound)


def ratio_at_least(bound: float) -> Target:
    return Target("ratio", True, bound)


def ratio_at_most(bound: float) -> Target:
    return Target("ratio", False, bound)


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. Value and yardstick are in the same unit."""

    label: str
    value: float
    unit: str
    yardstick: str  # what the yardstick is, in a few words
    yardstick_value: float
    targets: tuple[Target, ...] = ()
    detail: str = ""  # what was seen beside it

    @property
    def ratio(self) -> float:
        return self.value / self.yardstick_value if self.yardstick_value else float("inf")

    @property
    def is_met(self) -> bool | None:
        """Whether every target is met; `None` without any."""
        return all(target.is_met(self) for target in self.targets) if self.targets else None


@dataclass(frozen=True, slots=True)
class Figure:
    """A group of rows that are measured together."""

    name: str
    title: str
    measure: Callable[[Scale], list[Row]]
