"""The expressions of graph documents: what they compute, and what they cannot reach."""

from typing import Any

import pytest

from runs.graphs.expressions import (
    ExpressionInvalid,
    check_condition,
    check_template,
    holds,
    render,
    render_simple,
    render_value,
)

STATE: dict[str, Any] = {
    "score": 0.8,
    "lang": "en",
    "tags": ["a", "b"],
    "review": {"decision": "approve"},
    "items": {"n": 1},
    "ok": False,
}


@pytest.mark.parametrize(
    ("source", "is_true"),
    [
        ("score >= 0.7 and lang == 'en'", True),
        ("review.decision == 'approve'", True),
        ("'b' in tags and tags | length == 2", True),
        ("review['decision'] in ['reject', 'later']", False),
        ("ok", False),
        ("not ok", True),
        ("missing", False),
        ("missing == 'x'", False),
        ("missing is defined", False),
        ("review.missing", False),
    ],
)
def test_a_condition_is_over_the_state_and_false_about_what_is_not_there(
    source: str, is_true: bool
):
    assert holds(source, STATE) is is_true


@pytest.mark.parametrize("source", ["missing.field", "score > 'x'", "score // 0", "missing()"])
def test_a_condition_that_cannot_be_told_is_an_error_and_not_false(source: str):
    with pytest.raises(ExpressionInvalid):
        holds(source, STATE)


@pytest.mark.parametrize("source", ["", "score >", "{{ score }}", "a b", "x | nope", "{% if x %}"])
def test_what_is_no_expression_is_refused_when_it_is_registered(source: str):
    with pytest.raises(ExpressionInvalid):
        check_condition(source)


@pytest.mark.parametrize("source", ["{{", "{% for %}", "{{ x | nope }}", "{% endif %}"])
def test_what_is_no_template_is_refused_when_it_is_registered(source: str):
    with pytest.raises(ExpressionInvalid):
        check_template(source)


def test_a_template_that_names_what_is_not_there_is_an_error():
    with pytest.raises(ExpressionInvalid, match="'missing' is undefined"):
        render("{{ missing }}", STATE)


def test_a_template_may_say_what_stands_in_for_what_is_not_there():
    assert render("{{ missing | default('none') }}", STATE) == "none"


def test_text_is_not_escaped():
    assert render("{{ text }}", {"text": "<b> & 'c'"}) == "<b> & 'c'"


def test_single_braces_are_fields_only_where_there_are_no_double_ones():
    assert render_simple("{lang}: {score}", STATE) == "en: 0.8"
    assert render_simple("{lang}: {{ score }}", STATE) == "{lang}: 0.8"
    assert render("{lang}", STATE) == "{lang}"


def test_single_braces_about_what_is_not_there_are_an_error():
    with pytest.raises(ExpressionInvalid, match="'missing' is undefined"):
        render_simple("{lang} {missing}", STATE)


def test_json_in_single_braces_is_text():
    assert render_simple('{"a": 1} {0}', STATE) == '{"a": 1} {0}'


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        ("{{ score }}", 0.8),
        ("{{ tags }}", ["a", "b"]),
        ("  {{ review }}  ", {"decision": "approve"}),
        ("{{ ok }}", False),
        ("{{ score * 2 }}", 1.6),
        ("{{ score }} {{ lang }}", "0.8 en"),
        ("is {{ score }}", "is 0.8"),
        ("plain", "plain"),
        (7, 7),
        (None, None),
        ("{{ tags | map('upper') }}", ["A", "B"]),
        ("{{ review.items() }}", [["decision", "approve"]]),
        ("{{ range(2) }}", [0, 1]),
        ({"{{ lang }}": ["{{ tags[0] }}", {"deep": "{{ ok }}"}]}, None),
    ],
)
def test_a_lone_expression_keeps_its_type(value: Any, rendered: Any):
    if isinstance(value, dict):
        rendered = {"{{ lang }}": ["a", {"deep": False}]}  # keys are no templates

    assert render_value(value, STATE) == rendered


def test_a_lone_expression_about_what_is_not_there_is_an_error():
    with pytest.raises(ExpressionInvalid, match="'missing' is undefined"):
        render_value({"a": "{{ missing }}"}, STATE)


@pytest.mark.parametrize("source", ["[missing]", "{'a': missing}", "lang.upper", "namespace()"])
def test_what_no_state_can_hold_is_an_error(source: str):
    with pytest.raises(ExpressionInvalid):
        render_value(f"{{{{ {source} }}}}", STATE)


# --- The sandbox ------------------------------------------------------------------------------

ESCAPES = [
    "''.__class__",
    "''.__class__.__mro__[1].__subclasses__()",
    "''['__class__'].__mro__",
    "(''|attr('__class__')).__mro__",
    "''|attr('__cla' ~ 'ss__')|attr('__mro__')",
    "cycler.__init__.__globals__",
    "lipsum.__globals__['os']",
    "self.__init__.__globals__",
    "has_fact.__globals__",
    "has_fact.__code__",
    "has_fact.__closure__[0].cell_contents",
    "'{0.__class__}'.format(lang)",
    "'{x.__class__.__mro__}'.format_map({'x': lang})",
    "[lang]|map(attribute='__class__')|list|first",
    "[lang]|selectattr('__class__')|list|first",
]


def _has_fact(head: str, **slots: Any) -> bool:
    return bool(STATE) and head == slots.get("head")


@pytest.mark.parametrize("source", ESCAPES)
def test_the_process_is_out_of_reach(source: str):
    values = {**STATE, "has_fact": _has_fact}

    try:
        as_condition = holds(source, values)
    except ExpressionInvalid:
        as_condition = False
    with pytest.raises(ExpressionInvalid):
        render_value({"leak": f"{{{{ {source} }}}}"}, values)

    assert not as_condition


@pytest.mark.parametrize(
    "source",
    ["tags.append('c')", "tags.clear()", "review.update(a=1)", "review.pop('decision')"],
)
def test_the_state_cannot_be_changed(source: str):
    state = {"tags": ["a"], "review": {"decision": "approve"}}

    for attempt in (
        lambda: holds(source, state),
        lambda: render(f"{{{{ {source} }}}}", state),
        lambda: render_value(f"{{{{ {source} }}}}", state),
    ):
        with pytest.raises(ExpressionInvalid):
            attempt()

    assert state == {"tags": ["a"], "review": {"decision": "approve"}}


@pytest.mark.parametrize(
    "source", ["{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}"]
)
def test_no_other_file_is_read(source: str):
    with pytest.raises(ExpressionInvalid):
        render(source, STATE)


@pytest.mark.parametrize(
    "source", ["{% for i in range(10**9) %}{% endfor %}", "{{ range(10**6) }}"]
)
def test_ranges_are_bounded(source: str):
    with pytest.raises(ExpressionInvalid, match="Range too big"):
        render(source, STATE)
