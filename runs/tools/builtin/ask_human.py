"""`ask_human`: the run waits, holding no worker, until somebody answers."""

from typing import Annotated, Any

from pydantic import Field

from runs.tools.arguments import is_costly_schema, is_valid_schema
from runs.tools.base import ToolError, WaitForInput
from runs.tools.typed import tool

Prompt = Annotated[str, Field(min_length=1, max_length=4000, description="What to ask")]
Choices = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
    Field(min_length=1, max_length=20, description="The only answers that count, if there are any"),
]
ResponseSchema = Annotated[
    dict[str, Any] | None,
    Field(alias="schema", description="JSON Schema of the answer, instead of choices"),
]


# Idempotent: asking again opens the same question, it does not ask twice.
@tool(timeout_seconds=10)
async def ask_human(
    prompt: Prompt, choices: Choices = None, response_schema: ResponseSchema = None
) -> Any:
    """Ask a human and wait for the answer, which is this tool's result."""
    if choices and response_schema:
        raise ToolError("give choices or a schema, not both")
    if response_schema is not None and not is_valid_schema(response_schema):
        raise ToolError("schema: is not a valid JSON Schema")
    if is_costly_schema(response_schema):
        raise ToolError("schema: pattern, $ref and uniqueItems are not supported")
    raise WaitForInput(
        prompt, schema={"type": "string", "enum": choices} if choices else response_schema
    )
