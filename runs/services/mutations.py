"""What is different in a fork."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is different in the child; absent keys are `None`. An empty object is a value."""

    state_overrides: dict[str, Any] | None = None
    facts_assert: list[dict[str, Any]] | None = None
    facts_retract: list[dict[str, Any]] | None = None
    rule_pack_version: str | None = None
    node_output_overrides: dict[str, Any] | None = None
    respond_payloads: dict[str, dict[str, Any]] | None = None  # step, as text → response

    def as_map(self) -> dict[str, Any]:
        """The keys that are there."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}
