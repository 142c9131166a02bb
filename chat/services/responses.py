"""Answers to questions of runs, as people give them: a text, or the press of a button."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from runs.tools.arguments import first_violation

MAX_CHOICES = 20
_YES = frozenset({"yes", "y", "true", "ok"})
_NO = frozenset({"no", "n", "false"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the few answers that a question takes."""

    label: str
    value: Any

    @property
    def text(self) -> str:
        """What somebody would write who gives it as a text."""
        return self.value if isinstance(self.value, str) else json.dumps(self.value)


def response_of(schema: dict[str, Any] | None, text: str) -> Any:
    """A text as the value that the question's schema wants; the text itself when nothing fits.

    Whether it fits in the end, whoever takes the response decides.
    """
    if not schema or not first_violation(schema, text):
        return text
    for value in _readings(text):
        if not first_violation(schema, value):
            return value
    return text


def choices_of(schema: dict[str, Any] | None) -> Sequence[Choice]:
    """The answers to choose from, where the schema leaves only a few; else none."""
    if not schema:
        return ()
    if schema.get("type") == "object":
        return _choices_of_object(schema)
    return [Choice(label, value) for label, value in _values(schema)]


def _choices_of_object(schema: dict[str, Any]) -> Sequence[Choice]:
    """Of a form whose one required field is a choice."""
    required = schema.get("required") or []
    if len(required) != 1:
        return ()
    name = str(required[0])
    field = (schema.get("properties") or {}).get(name)
    if not isinstance(field, dict):
        return ()
    return [Choice(label, {name: value}) for label, value in _values(field)]


def _values(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    if schema.get("type") == "boolean":
        return [("Yes", True), ("No", False)]
    listed = schema.get("enum")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_CHOICES:
        return []
    return [(value if isinstance(value, str) else json.dumps(value), value) for value in listed]


def _readings(text: str) -> list[Any]:
    said = text.strip()
    readings: list[Any] = [said]
    if said.casefold() in _YES:
        readings.append(True)
    if said.casefold() in _NO:
        readings.append(False)
    with suppress(ValueError):
        readings.append(json.loads(said))
    return readings
