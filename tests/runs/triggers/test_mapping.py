"""From a webhook's body to inputs."""

from typing import Any

import pytest

from runs.errors import InvalidInput
from runs.triggers.mapping import check_mapping, map_body

pytestmark = pytest.mark.anywhere

BODY: dict[str, Any] = {
    "issue": {"number": 7, "title": "Fire", "labels": ["a", "b"]},
    "goal": "g",
    "extra": None,
}


def mapped(template: Any) -> Any:
    fields = frozenset({"goal"})
    return map_body({"field": template}, body=BODY, event="issues", fields=fields)["field"]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("Triage #{{ body.issue.number }}: {{ body.issue.title }}", "Triage #7: Fire"),
        ("{{ body.issue.number }}", 7),
        ("{{ body.issue.labels }}", ["a", "b"]),
        ("{{ body }}", BODY),
        ("{{ body.missing | default(body.goal) }}", "g"),
        ("{{ body.issue | tojson }}", '{"labels": ["a", "b"], "number": 7, "title": "Fire"}'),
        ("{{ event }}", "issues"),
        ("{% if event == 'push' %}x{% else %}y{% endif %}", "y"),
        ("no template", "no template"),
        (3, 3),
    ],
)
def test_a_template_gives_text_or_the_value_of_its_one_expression(template: Any, value: Any):
    assert mapped(template) == value


@pytest.mark.parametrize(
    "template",
    [
        "{{ body.issue.nothing }}",
        "no {{ body.nothing }}",
        "{{ body.items }}",
        "{{ 1 / 0 }}",
        "{{ body.__class__.__mro__ }}",
        "{{ 'x' * 3000000 }}",
    ],
)
def test_what_cannot_be_had_is_refused_with_the_field(template: str):
    with pytest.raises(InvalidInput) as refused:
        mapped(template)

    assert refused.value.field == "field"


@pytest.mark.parametrize("mapping", [[], {"goal": "{{ body."}, {"a b": "x"}, {"": "x"}])
def test_what_is_no_mapping_is_refused(mapping: Any):
    with pytest.raises(InvalidInput):
        check_mapping(mapping)


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        (frozenset({"goal"}), {"goal": "g"}),
        (frozenset({"goal", "body"}), {"goal": "g", "body": BODY}),
        (None, BODY),
    ],
)
def test_without_a_mapping_the_graph_gets_what_it_declares(
    fields: frozenset[str] | None, inputs: dict[str, Any]
):
    assert map_body({}, body=BODY, event="", fields=fields) == inputs
