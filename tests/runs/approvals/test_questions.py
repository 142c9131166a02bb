"""Which schemas become fields and buttons, and which are answered as JSON."""

import pytest

from runs.approvals.questions import asked_by
from runs.event_types import InputRequested

pytestmark = pytest.mark.anywhere


def kinds(schema=None, **payload):
    asked = asked_by(InputRequested("?", schema=schema, interrupt_payload=payload or None))
    return {question.name: question.kind for question in asked.questions}


def of(*required, **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": "number"}, "number"),
        ({"type": "integer"}, "integer"),
        ({"type": "boolean"}, "boolean"),
        ({"enum": ["a", 1, True]}, "choice"),
        ({"type": "array", "items": {"type": "string"}}, "lines"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "choices"),
        ({"type": ["integer", "null"]}, "integer"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
    ],
)
def test_a_simple_property_is_a_field(schema, kind):
    assert kinds(of(it=schema)) == {"it": kind}


@pytest.mark.parametrize(
    "schema",
    [
        of(it={"type": "object", "properties": {"deep": {"type": "string"}}}),
        of(it={"type": "array", "items": {"type": "integer"}}),
        of(it={"$ref": "#/$defs/it"}),
        of(it={"oneOf": [{"type": "string"}, {"type": "integer"}]}),
        of(it={"enum": [{"a": 1}]}),
        of(it={"enum": ["1", 1]}),
        of(it=True),
        of("absent", it={"type": "string"}),
        {**of(it={"type": "string"}), "anyOf": [{}]},
        {"type": "array", "items": {"type": "object"}},
        {"type": "nonsense"},
        of(**{f"field_{number}": {"type": "string"} for number in range(51)}),
    ],
)
def test_what_no_form_can_show_is_answered_as_json(schema):
    asked = asked_by(InputRequested("?", schema=schema))

    assert asked.is_json
    assert (asked.questions, asked.buttons) == ((), ())


def test_the_order_is_that_of_required_because_a_log_keeps_no_other():
    schema = of("zebra", "ape", cat={"type": "string"}, ape={"type": "string"}, zebra={"enum": [1]})

    assert list(kinds(schema)) == ["zebra", "ape", "cat"]


def test_a_decision_becomes_buttons():
    schema = of("decision", decision={"enum": ["yes", "later"]}, why={"type": "string"})

    asked = asked_by(InputRequested("?", schema=schema))

    assert (asked.decided, asked.buttons) == ("decision", ("yes", "later"))
    assert [question.name for question in asked.questions] == ["why"]


def test_a_choice_that_is_all_there_is_becomes_buttons():
    asked = asked_by(InputRequested("?", schema={"type": "string", "enum": ["red", "green"]}))

    assert (asked.decided, asked.buttons, asked.questions) == ("answer", ("red", "green"), ())


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}])
def test_where_nothing_is_said_it_is_approved_or_rejected_with_a_comment(schema):
    asked = asked_by(InputRequested("?", schema=schema))

    assert (asked.decided, asked.buttons, asked.is_open) == (
        "decision",
        ("approve", "reject"),
        True,
    )
    assert [question.name for question in asked.questions] == ["comment"]


def test_open_questions_are_fields_named_by_their_slot():
    listed = [
        {"kind": "text", "slot": "name", "prompt": "Whose?"},
        {"slot": "count", "prompt": "How many?", "schema": {"type": "integer"}},
        {"slot": "plan", "schema": {"type": "object"}},
        {"prompt": "has no slot"},
        "nonsense",
    ]

    assert kinds(open_questions=listed) == {"name": "text", "count": "integer", "plan": "json"}
    assert kinds(open_questions="nonsense") == {"comment": "text"}
