"""`calculate`: exact arithmetic, for models that guess at it."""

from typing import Annotated

from pydantic import Field

from runs.tools.arithmetic import MAX_CHARACTERS, NotArithmetic, evaluate
from runs.tools.base import ToolError
from runs.tools.typed import tool

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1  # what the log can hold as a number


@tool(timeout_seconds=10)
async def calculate(
    expression: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_CHARACTERS,
            description="For example (3 + 4) * 2 ** 10 or sqrt(2) / pi",
        ),
    ],
) -> int | float | str:
    """Evaluate arithmetic: + - * / // % **, parentheses and functions such as sqrt, log, sin,
    round, min, max, factorial. Integers beyond 64 bits come back exactly, as text."""
    try:
        value = evaluate(expression)
    except NotArithmetic as error:
        raise ToolError(str(error)) from error
    if isinstance(value, int) and not _INT64_MIN <= value <= _INT64_MAX:
        return str(value)
    return value
