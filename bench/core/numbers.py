"""Percentiles of what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Percentiles:
    count: int
    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Percentiles":
        """By nearest rank: each is a value that was measured. Raises `ValueError` without any."""
        if not values:
            raise ValueError("no values were measured")
        ranked = sorted(values)
        return cls(len(ranked), _rank(ranked, 0.50), _rank(ranked, 0.99), ranked[-1])


def _rank(ranked: Sequence[float], share: float) -> float:
    return ranked[math.ceil(share * len(ranked)) - 1]
