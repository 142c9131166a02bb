"""Rules of a graph: when they apply, and what they do."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, Field, field_validator

from runs.graphs.configs import NODE_ID, InterruptConfig, Strict
from runs.graphs.expressions import ExpressionInvalid, check_condition, holds

Fact = dict[str, Any]
NodeId = Annotated[str, Field(pattern=NODE_ID)]
_SCALARS = (str, int, float, bool)

CLIPS_HINT = (
    "Rule-engine patterns are not supported; write an expression over the state, "
    "for instance: score >= 0.7 and lang == 'en'"
)


class Goto(Strict):
    kind: Literal["goto"]
    target: str


class Halt(Strict):
    kind: Literal["halt"]
    reason: str = ""


class Parallel(Strict):
    """Fan out over `targets`, then go on at `join` (or after the last target, when empty)."""

    kind: Literal["parallel"]
    targets: tuple[str, ...] = Field(min_length=1)
    join: str = ""
    strategy: str = Field("all", pattern=r"^(all|any|race|quorum:[1-9][0-9]{0,3})$")
    allow_effects: bool = False  # where some branches lose, their writes may stay behind

    @property
    def has_losers(self) -> bool:
        """Whether it is decided before every branch is through, and the rest is cancelled."""
        name, _, needed = self.strategy.partition(":")
        return name in ("any", "race") or (name == "quorum" and int(needed) < len(self.targets))

    @property
    def forbids_effects(self) -> bool:
        """Whether no branch may leave anything behind: what losers did would stay."""
        return self.has_losers and not self.allow_effects


class Retry(Strict):
    """Wait, then go to `target`. After a failure the wait doubles each time."""

    kind: Literal["retry"]
    target: str
    backoff_ms: int = Field(0, ge=0, le=86_400_000)
    max_attempts: int = Field(3, ge=1, le=1_000)


def _slots(text: Any) -> Any:
    """Slots come as a JSON text, or as the object itself."""
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text) if text.strip() else {}
    except orjson.JSONDecodeError:
        raise ValueError("not a JSON object") from None


class Assert(Strict):
    kind: Literal["assert"]
    fact: str = Field(min_length=1)
    slots: Annotated[dict[str, Any], BeforeValidator(_slots)] = Field(default_factory=dict)

    @property
    def asserted(self) -> Fact:
        return {**self.slots, "head": self.fact}


def _pattern(text: Any) -> Any:
    if isinstance(text, str) and text.lstrip().startswith("{"):
        return _slots(text)
    return {"head": text} if isinstance(text, str) else text


class Retract(Strict):
    """Facts that have every key and value of `pattern` go: a head, or a JSON object."""

    kind: Literal["retract"]
    pattern: Annotated[dict[str, Any], BeforeValidator(_pattern)] = Field(min_length=1)


class Interrupt(InterruptConfig):
    """A human is asked before the run goes on after the node in list order."""

    kind: Literal["interrupt"]

    @property
    def gate(self) -> InterruptConfig:
        return InterruptConfig.model_validate(self.model_dump(exclude={"kind"}, by_alias=True))


Action = Annotated[
    Goto | Halt | Parallel | Retry | Assert | Retract | Interrupt, Field(discriminator="kind")
]


class Rule(Strict):
    """`when` is an expression over state, `node` and `facts`, or an object of equalities.

    `after` is ours: rules look at nodes that succeeded unless they ask for failures.
    """

    id: NodeId
    when: str | dict[str, Any]
    then: tuple[Action, ...] = Field(min_length=1)
    node_id: str | None = None
    after: Literal["success", "failure"] = "success"

    @field_validator("when")
    @classmethod
    def _is_understood(cls, when: str | dict[str, Any]) -> str | dict[str, Any]:
        if isinstance(when, dict):
            _check_sugar(when)
            return when
        if when.lstrip().startswith("("):
            raise ValueError(f"a rule-engine pattern. {CLIPS_HINT}")
        try:
            check_condition(when)
        except ExpressionInvalid as error:
            raise ValueError(f"not a valid expression: {error}") from None
        return when

    def applies(self, node_id: str, values: Mapping[str, Any]) -> bool:
        """Raises `ExpressionInvalid` when the condition cannot be evaluated."""
        if self.node_id is not None and self.node_id != node_id:
            return False
        if isinstance(self.when, str):
            return holds(self.when, values)
        return all(_same(key, wanted, node_id, values) for key, wanted in self.when.items())


def _check_sugar(when: dict[str, Any]) -> None:
    if not when:
        raise ValueError("an empty object matches nothing. Name a node or a state field")
    for key, value in when.items():
        if not isinstance(value, _SCALARS):
            raise ValueError(f"{key!r} must be compared to a text, number or boolean")


def _same(key: str, wanted: Any, node_id: str, values: Mapping[str, Any]) -> bool:
    """Equality by text, as the format has it; booleans in JSON's spelling or Python's."""
    if key == "node":
        return bool(wanted == node_id)
    if key not in values:
        return False
    found = values[key]
    return str(found) == str(wanted) or (
        isinstance(found, bool) and str(found).lower() == str(wanted).lower()
    )


def matches(fact: Fact, pattern: Fact) -> bool:
    return all(key in fact and fact[key] == value for key, value in pattern.items())


def change_facts(
    facts: Sequence[Fact], *, asserted: Sequence[Fact], retracted: Sequence[Fact]
) -> list[Fact]:
    """Facts after a step: what `retracted` matches goes, then `asserted` comes, each once."""
    kept = [fact for fact in facts if not any(matches(fact, pattern) for pattern in retracted)]
    return kept + [fact for fact in asserted if fact not in kept]
