"""What a run asks, as a form shows it: fields, buttons, or JSON to write.

A question is a JSON Schema of the response, the `open_questions` of its interrupt payload, both,
or neither. Pure: schemas in, questions out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runs.event_types import InputRequested
from runs.tools.arguments import is_valid_schema

#: Where a response that is no object is kept; see `runs.services.lifecycle.respond`.
ANSWER = "answer"
DECISION, COMMENT = "decision", "comment"
#: More is no form that somebody would fill in.
MOST_FIELDS = 50

Kind = Literal["text", "number", "integer", "boolean", "choice", "choices", "lines", "json"]

_JSON_TYPES: dict[str, Kind] = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}
#: What makes a schema say more than its properties do.
_COMPOSING = frozenset(
    ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "patternProperties")
)
_SAYS_NOTHING = frozenset(("type", "title", "description", "additionalProperties", "$schema"))


@dataclass(frozen=True, slots=True)
class Question:
    """One value that a human is asked for."""

    name: str  # of the value in the response
    kind: Kind
    schema: Mapping[str, Any]  # without "or null"
    title: str
    is_required: bool = False
    takes_null: bool = False
    choices: tuple[str | int | float | bool, ...] = ()

    @property
    def description(self) -> str:
        return _text(self.schema.get("description"))


@dataclass(frozen=True, slots=True)
class Asked:
    """The whole of what a form shows.

    `buttons` send the form, each with its choice as the value `decided`; without any there is one
    that just sends. `is_open`: nothing says what a response has to look like.
    """

    questions: tuple[Question, ...]
    decided: str = ""
    buttons: tuple[str | int | float | bool, ...] = ()
    is_open: bool = False
    is_json: bool = False  # the response is written as JSON


def asked_by(request: InputRequested) -> Asked:
    """Never raises: what no form can show is answered as JSON."""
    open_questions = _open_questions(request.interrupt_payload or {})
    if request.schema is None or _says_nothing(request.schema):
        return _with_buttons(open_questions) if open_questions else _OPEN
    found = _questions_of(request.schema)
    if found is None:
        return Asked((), is_json=True)
    named = {question.name for question in found}
    questions = [*found, *(each for each in open_questions if each.name not in named)]
    return _with_buttons(questions)


#: By convention, where nothing else is said: a decision, and why.
_OPEN = Asked(
    (Question(COMMENT, "text", {"type": "string"}, "Comment"),),
    decided=DECISION,
    buttons=("approve", "reject"),
    is_open=True,
)


def _with_buttons(questions: list[Question]) -> Asked:
    """A decision is made by the button that sends it."""
    for question in questions:
        is_alone = len(questions) == 1 and question.name == ANSWER
        if question.kind == "choice" and (question.name == DECISION or is_alone):
            others = tuple(each for each in questions if each is not question)
            return Asked(others, question.name, question.choices)
    return Asked(tuple(questions))


def _says_nothing(schema: Mapping[str, Any]) -> bool:
    return schema.get("type", "object") == "object" and schema.keys() <= _SAYS_NOTHING


def _questions_of(schema: dict[str, Any]) -> list[Question] | None:
    """`None` for a schema that no form can show."""
    if not is_valid_schema(schema):
        return None
    properties = schema.get("properties")
    if schema.get("type", "object" if properties else None) != "object":
        only = question_of(ANSWER, schema, is_required=True)
        return [only] if only else None
    if not properties or len(properties) > MOST_FIELDS or schema.keys() & _COMPOSING:
        return None
    required = schema.get("required", [])
    if set(required) - properties.keys():
        return None
    # The log sorts the keys of an object by their length; of lists it keeps the author's order.
    names = [*required, *(name for name in properties if name not in required)]
    questions = [
        question_of(name, properties[name], is_required=name in required) for name in names
    ]
    found = [question for question in questions if question is not None]
    return found if len(found) == len(questions) else None


def _open_questions(payload: Mapping[str, Any]) -> list[Question]:
    """`[{"kind", "slot", "prompt", "schema"}]`; what is not like that is no question."""
    listed = payload.get("open_questions")
    questions: dict[str, Question] = {}
    for item in listed[:MOST_FIELDS] if isinstance(listed, list) else ():
        if not isinstance(item, dict) or not isinstance(item.get("slot"), str):
            continue
        slot, schema = item["slot"], item.get("schema") or {"type": "string"}
        question = None
        if isinstance(schema, dict) and is_valid_schema(schema):
            schema = {"title": _text(item.get("prompt")) or slot, **schema}
            question = question_of(slot, schema, is_required=True)
        questions[slot] = question or Question(
            slot, "json", {}, _text(item.get("prompt")) or slot, is_required=True
        )
    return list(questions.values())


def question_of(name: str, schema: Any, *, is_required: bool) -> Question | None:
    """`None` for a schema that one field cannot show."""
    if not isinstance(schema, dict):
        return None
    plain, takes_null = _without_null(schema)
    if plain.keys() & _COMPOSING:
        return None
    kind, choices = _kind_of(plain)
    if kind is None:
        return None
    title = _text(schema.get("title")) or name.replace("_", " ").strip().capitalize() or name
    return Question(name, kind, plain, title, is_required, takes_null, choices)


def _without_null(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of what is asked for when it may also be null, in the ways people write that."""
    types = schema.get("type")
    if isinstance(types, list) and len(types) == 2 and "null" in types:
        types = [each for each in types if each != "null"]
        return {**schema, "type": types[0]}, True
    options = schema.get("anyOf")
    if isinstance(options, list) and len(options) == 2 and {"type": "null"} in options:
        others = [each for each in options if each != {"type": "null"}]
        if len(others) == 1 and isinstance(others[0], dict):
            around = {key: value for key, value in schema.items() if key != "anyOf"}
            return {**around, **others[0]}, True
    return schema, False


def _kind_of(schema: Mapping[str, Any]) -> tuple[Kind | None, tuple[Any, ...]]:
    if "enum" in schema:
        choices = _choices(schema["enum"])
        return ("choice" if choices else None), choices
    if schema.get("type") == "array":
        return _kind_of_list(schema.get("items"), schema)
    kind = _JSON_TYPES.get(str(schema.get("type")))
    return (None if "const" in schema else kind), ()


def _kind_of_list(items: Any, schema: Mapping[str, Any]) -> tuple[Kind | None, tuple[Any, ...]]:
    """Lists of strings: some of the choices, or a line each."""
    if not isinstance(items, dict) or "prefixItems" in schema or items.keys() & _COMPOSING:
        return None, ()
    if "enum" in items:
        choices = _choices(items["enum"])
        return ("choices" if choices else None), choices
    return ("lines" if items.get("type") == "string" else None), ()


def _choices(values: list[Any]) -> tuple[Any, ...]:
    """None when they are no plain values, or look the same in a form."""
    is_plain = all(isinstance(value, (str, int, float)) for value in values)
    if not is_plain or len({label_of(value) for value in values}) < len(values):
        return ()
    return tuple(values)


def label_of(choice: str | int | float | bool) -> str:
    """A choice as the form spells it; JSON's words for what is no string."""
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
