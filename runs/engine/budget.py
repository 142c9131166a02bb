"""The four budget axes, over the whole run. Pure arithmetic: values in, a trip or nothing out."""

from dataclasses import dataclass

from runs.graphs.configs import Budget
from runs.providers.base import Usage


@dataclass(frozen=True, slots=True)
class Spent:
    """What the finished turns of a run have used."""

    input_tokens: int
    output_tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Trip:
    """An axis that went over its cap."""

    limit: str  # input_tokens, output_tokens, usd, wall_clock
    cap: float
    actual: float


def check_before_call(budget: Budget, spent: Spent, estimate: int) -> Trip | None:
    """May another model call of `estimate` input tokens begin?

    Output and money trip when nothing is left: a call always costs something of both.
    """
    if budget.max_input_tokens and spent.input_tokens + estimate > budget.max_input_tokens:
        return Trip(
            "input_tokens", float(budget.max_input_tokens), float(spent.input_tokens + estimate)
        )
    if budget.max_output_tokens and spent.output_tokens >= budget.max_output_tokens:
        return Trip("output_tokens", float(budget.max_output_tokens), float(spent.output_tokens))
    if budget.max_usd and spent.cost_usd >= budget.max_usd:
        return Trip("usd", budget.max_usd, spent.cost_usd)
    return None


def check_usage(budget: Budget, spent: Spent, usage: Usage, cost_usd: float | None) -> Trip | None:
    """Has the call under way gone over? `cost_usd` is `None` for a model without a known price."""
    output = spent.output_tokens + usage.output_tokens
    if budget.max_output_tokens and output > budget.max_output_tokens:
        return Trip("output_tokens", float(budget.max_output_tokens), float(output))
    if budget.max_usd and cost_usd is not None and spent.cost_usd + cost_usd > budget.max_usd:
        return Trip("usd", budget.max_usd, spent.cost_usd + cost_usd)
    return None
