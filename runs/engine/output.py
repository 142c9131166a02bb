"""Answers in JSON: what is asked of the model, and whether it gave it."""

from typing import Any

import orjson

from runs.tools.arguments import first_violation

_FENCE = "```"


def schema_instruction(schema: dict[str, Any]) -> str:
    """What the system prompt of an agent with an output schema ends with."""
    text = orjson.dumps(schema, option=orjson.OPT_SORT_KEYS).decode()
    return f"Answer with one JSON value and nothing else. It must fit this JSON Schema:\n{text}"


def parse_answer(text: str) -> Any:
    """The JSON value of an answer, in a fence or not. Raises `ValueError`."""
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE) and "\n" in text:
        text = text.partition("\n")[2].removesuffix(_FENCE)
    return orjson.loads(text)


def answer_complaint(schema: dict[str, Any] | None, text: str) -> str:
    """Why an answer does not fit; nothing when it does."""
    if schema is None:
        return ""
    try:
        return first_violation(schema, parse_answer(text))
    except ValueError:
        return "it is not valid JSON"


def complaint_to_model(complaint: str) -> str:
    return f"Your answer does not fit: {complaint}. Answer with the JSON alone."
