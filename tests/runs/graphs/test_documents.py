"""What graph documents may say, what is refused and where, and what makes two of them equal."""

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runs.graphs.documents import Graph, parse_graph
from runs.graphs.problems import GraphInvalid, Problem
from runs.graphs.registry import LIBRARY, built_in_graphs, read_document

ECHO = {"id": "a", "kind": "echo"}
END = {"kind": "halt"}


def document(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"ir_version": "1.1.0", "id": "test", "nodes": list(nodes or (ECHO,)), **more}


def node(kind: str, node_id: str = "a", **config: Any) -> dict[str, Any]:
    return {"id": node_id, "kind": kind, "config": config}


def of(kind: str, **config: Any) -> dict[str, Any]:
    """A document of one node."""
    return document(node(kind, **config))


def rule(*then: dict[str, Any], when: Any = "true", **more: Any) -> dict[str, Any]:
    return {"id": "r", "when": when, "then": list(then or (END,)), **more}


def ruled(*then: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document of two nodes and one rule."""
    return document(ECHO, {"id": "b", "kind": "echo"}, rules=[rule(*then, **more)])


def problems_of(sent: Any) -> tuple[Problem, ...]:
    with pytest.raises(GraphInvalid) as refusal:
        parse_graph(sent)
    return refusal.value.problems


@pytest.mark.parametrize(
    ("sent", "pointer", "complaint"),
    [
        # the document
        ([], "", "valid dictionary"),
        ({**document(), "ir_version": "2.0.0"}, "/ir_version", "pattern"),
        ({**document(), "ir_version": 1}, "/ir_version", "valid string"),
        ({"ir_version": "1.0.0", "nodes": [ECHO]}, "/id", "Field required"),
        ({**document(), "nodes": []}, "/nodes", "at least 1 item"),
        (document(bogus=1), "/bogus", "Extra inputs are not permitted"),
        (document(max_steps=0), "/max_steps", "greater than or equal to 1"),
        (document(checkpoints={"every": "hour"}), "/checkpoints/every", "pattern"),
        (document(lm={"api": float("nan")}), "", "no JSON value"),
        (of("tool", tool="now", static={"n": 2**53}), "", "no JSON value"),
        # what other servers of the format may have
        (document(state_class="pkg:State"), "/state_class", "should be None"),
        (document(stores=[{"name": "s"}]), "/stores", "at most 0 items"),
        (document(skills=[{"id": "s"}]), "/skills", "at most 0 items"),
        (document(governance=[{"id": "g"}]), "/governance", "at most 0 items"),
        # nodes
        (document({"id": "A", "kind": "echo"}), "/nodes/0/id", "pattern"),
        (document(ECHO, ECHO), "/nodes/1/id", "two nodes have this id"),
        (document({"id": "a", "kind": "dspy"}), "/nodes/0/kind", "unknown node kind"),
        (document({**ECHO, "spec": "other"}), "/nodes/0/spec", "only a subgraph has a spec"),
        (of("echo", loud=True), "/nodes/0/config/loud", "Extra inputs"),
        (of("template"), "/nodes/0/config/template", "Field required"),
        (of("template", template="{% if %}"), "/nodes/0/config/template", "not a valid template"),
        (of("agent", output_schema={"type": 5}), "/nodes/0/config/output_schema", "JSON Schema"),
        (of("classify", labels=["one"]), "/nodes/0/config/labels", "at least 2 items"),
        (of("summarize", api_base="http://x"), "/nodes/0/config", "model settings"),
        (of("interrupt", prompt="?", timeout=0), "/nodes/0/config/timeout", "longer than nothing"),
        (of("interrupt", prompt="?", timeout="P9999D"), "/nodes/0/config/timeout", "at most"),
        (of("interrupt", prompt="?", on_timeout="stop"), "/nodes/0/config/on_timeout", "pattern"),
        (
            of("interrupt", prompt="?", on_timeout="goto:z"),
            "/nodes/0/config/on_timeout",
            "no node has this id",
        ),
        (of("subgraph", graph="test"), "/nodes/0/config/graph", "its own subgraph"),
        (
            of("map", over="goal", node={"kind": "sleep", "config": {"seconds": 1}}),
            "/nodes/0/config/node/kind",
            "cannot stand in a map",
        ),
        (
            of("map", over="goal", node={"kind": "template"}),
            "/nodes/0/config/node/config/template",
            "Field required",
        ),
        (document(node("halt"), node("echo", "b")), "/nodes/1", "nothing leads to this node"),
        # state
        (document(state_schema={"n": "set"}), "/state_schema/n", "'str', 'int'"),
        (document(state_schema={"n": {"type": "set"}}), "/state_schema/n/type", "'str', 'int'"),
        (document(state_schema={"a-b": "str"}), "/state_schema/a-b", "not a field name"),
        (
            document(state_schema={"n": {"type": "int", "default": "1"}}),
            "/state_schema/n/default",
            "does not fit its type",
        ),
        (
            document(
                node("tool", tool="now", inputs={"zone": "town"}), state_schema={"city": "str"}
            ),
            "/nodes/0/config/inputs/zone",
            "no such state field",
        ),
        # rules
        (document(rules=[rule(), rule()]), "/rules/1/id", "two rules have this id"),
        (document(rules=[rule(node_id="z")]), "/rules/0/node_id", "no node has this id"),
        (document(rules=[{**rule(), "then": []}]), "/rules/0/then", "at least 1 item"),
        (ruled(when="(node-id (id a))"), "/rules/0/when", "rule-engine pattern"),
        (ruled(when="score >"), "/rules/0/when", "not a valid expression"),
        (ruled(when={}), "/rules/0/when", "an empty object matches nothing"),
        (ruled(when={"x": [1]}), "/rules/0/when", "must be compared to"),
        (ruled(when={"node": "z"}), "/rules/0/when/node", "no node has this id"),
        (ruled({"kind": "jump"}), "/rules/0/then/0", "does not match any of the expected tags"),
        (ruled({"kind": "goto", "target": "z"}), "/rules/0/then/0/target", "no node has this id"),
        (ruled({"kind": "goto"}), "/rules/0/then/0/target", "Field required"),
        (
            ruled({"kind": "retry", "target": "a", "max_attempts": 0}),
            "/rules/0/then/0/max_attempts",
            "greater than or equal to 1",
        ),
        (
            ruled({"kind": "assert", "fact": "f", "slots": "[1]"}),
            "/rules/0/then/0/slots",
            "valid dictionary",
        ),
        (
            ruled({"kind": "interrupt", "prompt": "?", "on_timeout": "goto:z"}),
            "/rules/0/then/0/on_timeout",
            "no node has this id",
        ),
        # branches
        (
            ruled({"kind": "parallel", "targets": ["a", "z"]}),
            "/rules/0/then/0/targets/1",
            "no node has this id",
        ),
        (
            ruled({"kind": "parallel", "targets": ["a", "a"]}),
            "/rules/0/then/0/targets",
            "only one of the branches",
        ),
        (
            ruled({"kind": "parallel", "targets": ["a", "b"], "join": "b"}),
            "/rules/0/then/0/join",
            "one of its own branches",
        ),
        (
            ruled({"kind": "parallel", "targets": ["a", "b"], "strategy": "quorum:3"}),
            "/rules/0/then/0/strategy",
            "more successes",
        ),
        (
            document(parallel=[{"targets": ["a"], "strategy": "most"}]),
            "/parallel/0/strategy",
            "pattern",
        ),
        (
            document(ECHO, node("halt", "b"), parallel=[{"targets": ["a", "b"]}]),
            "/parallel/0/targets/1",
            "a halt cannot be a branch",
        ),
        (
            document(
                ECHO,
                node("interrupt", "b", prompt="?", on_timeout="goto:a"),
                parallel=[{"targets": ["a", "b"]}],
            ),
            "/parallel/0/targets/1",
            "a branch cannot jump",
        ),
    ],
)
def test_a_bad_document_is_refused_with_a_pointer(sent: Any, pointer: str, complaint: str):
    found = problems_of(sent)

    assert {problem.pointer for problem in found} == {pointer}
    assert complaint in str(found[0])


def test_all_problems_are_told_at_once():
    sent = document(
        {"id": "a", "kind": "dspy"},
        rules=[rule({"kind": "goto", "target": "z"}, node_id="y")],
        state_schema={"a b": "str"},
    )

    places = {problem.pointer for problem in problems_of(sent)}

    assert places == {
        "/nodes/0/kind",
        "/rules/0/node_id",
        "/rules/0/then/0/target",
        "/state_schema/a b",
    }


def test_a_problem_tells_what_was_expected_what_came_and_a_way_out():
    sent = document(
        node("write_artifact", content_field="txet", content_type="text/plain"),
        state_schema={"text": "str"},
    )

    [problem] = problems_of(sent)

    assert problem.as_map() == {
        "pointer": "/nodes/0/config/content_field",
        "message": "no such state field",
        "expected": "one of artifact_ref, goal, text",
        "actual": "'txet'",
        "hint": "Declare it in state_schema.",
    }


def test_pointers_are_escaped():
    [problem] = problems_of(document(**{"a/b~c": 1}))

    assert problem.pointer == "/a~1b~0c"


def test_aliases_and_short_forms_are_taken():
    graph = parse_graph(
        document(
            node("wait_for_input", prompt="Go on?", timeout=90),
            {"id": "b", "kind": "subgraph", "spec": "other"},
            parallel=[{"targets": ["a", "b"], "strategy": "quorum:1"}],
            rules=[rule({"kind": "retract", "pattern": "seen"}, when={"node": "a"})],
        )
    )

    assert graph.nodes["a"].kind == "interrupt"
    assert graph.nodes["a"].config.model_dump()["timeout"].total_seconds() == 90
    assert graph.nodes["b"].config.model_dump()["graph"] == "other"
    assert graph.rules[0].then[0].model_dump()["pattern"] == {"head": "seen"}


def test_a_run_begins_with_defaults_as_their_fields_hold_them():
    graph = parse_graph(
        document(
            state_schema={
                "text": "str",
                "score": {"type": "float", "default": 1},
                "seal": {"type": "bytes", "default": "aGk="},
                "note": {"type": "str", "default": None},
            }
        )
    )

    state = graph.state.initial({"text": "x"})

    assert state == {"text": "x", "score": 1.0, "seal": b"hi", "note": None}
    assert isinstance(state["score"], float)


# --- The hash ---------------------------------------------------------------------------------

HASHED = ruled({"kind": "goto", "target": "b"}, when="x == 1")


def changed(**more: Any) -> Graph:
    return parse_graph({**copy.deepcopy(HASHED), **more})


@pytest.mark.parametrize(
    "more",
    [
        {"nodes": [{"id": "a", "kind": "passthrough"}, {"id": "b", "kind": "echo"}]},
        {"nodes": [node("template", template="x"), {"id": "b", "kind": "echo"}]},
        {"nodes": [{"id": "b", "kind": "echo"}, ECHO]},
        {"rules": [rule({"kind": "goto", "target": "b"}, when="x == 2")]},
        {"rules": [rule({"kind": "goto", "target": "a"}, when="x == 1")]},
        {"rules": [rule({"kind": "goto", "target": "b"}, when="x == 1", after="failure")]},
        {"parallel": [{"targets": ["a", "b"]}]},
        {"state_schema": {"x": "int"}},
        {"ir_version": "1.0.0"},
        {"max_steps": 7},
        {"tools": [{"id": "now"}]},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_a_graph_does_is_in_its_hash(more: dict[str, Any]):
    assert changed(**more).hash != changed().hash


@pytest.mark.parametrize(
    "more", [{"lm": {"model": "x"}}, {"checkpoints": {"every": "never", "store": "s"}}]
)
def test_where_it_runs_is_not_in_its_hash(more: dict[str, Any]):
    assert changed(**more).hash == changed().hash


def test_how_a_document_is_written_is_not_in_its_hash():
    backwards = dict(reversed(HASHED.items()))
    as_json = read_document(json.dumps(HASHED), is_json=True)
    as_yaml = read_document(yaml.safe_dump(backwards), is_json=False)

    assert parse_graph(as_json).hash == parse_graph(as_yaml).hash == changed().hash


# --- Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_graphs_of_the_library_can_be_started(path: Any):
    graph = built_in_graphs()[path.stem]

    assert graph.description
    assert graph.node_count > 1


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_500,
        "id: 2020-13-45",
        "a: " + "1" * 5_000,
        "a: !!bool maybe",
        "a: !!python/object:os.system x",
        "a: \x00",
    ],
    ids=["deep", "date", "digits", "tag", "python", "nul"],
)
def test_what_is_no_yaml_is_refused(text: str):
    with pytest.raises(GraphInvalid, match="not YAML"):
        read_document(text, is_json=False)


# --- Whatever is sent -------------------------------------------------------------------------


def _nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"properties": {"a": value}}
    return value


def _circular() -> Any:
    value: dict[str, Any] = {}
    value["again"] = value
    return value


@pytest.mark.parametrize(
    "sent",
    [
        of("tool", tool="now", static=_nested(3_000)),
        of("llm", output_schema=_nested(300)),
        document(lm=_circular()),  # YAML can say it
        of("tool", tool="now", static={"\ud800": 1}),
        document(max_steps=10**5_000),
        of("agent", max_turns=10**5_000),
        ruled(when="x" + " | int" * 300),
        ruled(when="(" * 5_000),
        ruled({"kind": "assert", "fact": "f", "slots": "[" * 100_000}),
        ruled({"kind": "assert", "fact": "f", "slots": '{"n": NaN}'}),
    ],
    ids=[
        "deep",
        "schema",
        "circular",
        "key",
        "int",
        "int-in-config",
        "filters",
        "when",
        "slots",
        "nan",
    ],
)
def test_extremes_are_refused_like_everything_else(sent: Any):
    assert problems_of(sent)


_texts = st.sampled_from(
    ["", "a", "b", "echo", "map", "goal", "{{ goal }}", "{{", "all", "quorum:9"]
)
_keys = st.sampled_from(
    [
        "id",
        "kind",
        "config",
        "nodes",
        "rules",
        "when",
        "then",
        "target",
        "targets",
        "join",
        "strategy",
        "type",
        "default",
        "reducer",
        "node",
        "over",
        "as",
        "out",
        "prompt",
        "timeout",
        "on_timeout",
        "schema",
        "fields",
        "labels",
        "inputs",
        "graph",
        "spec",
        "slots",
    ]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_keys | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
_kinds = st.sampled_from(
    [
        "agent",
        "llm",
        "tool",
        "template",
        "interrupt",
        "write_artifact",
        "subgraph",
        "map",
        "sleep",
        "echo",
        "halt",
        "extract",
    ]
)
_nodes = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["a", "b"]), "kind": _kinds},
        optional={"config": st.dictionaries(_keys, _values, max_size=4), "spec": _values},
    ),
    max_size=3,
)
_actions = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ["goto", "halt", "parallel", "retry", "assert", "retract", "interrupt"]
        )
    },
    optional=dict.fromkeys(
        [
            "target",
            "targets",
            "join",
            "strategy",
            "fact",
            "slots",
            "pattern",
            "prompt",
            "on_timeout",
        ],
        _values,
    ),
)
_rules = st.lists(
    st.fixed_dictionaries(
        {"id": _texts, "when": _values, "then": st.lists(_actions, max_size=2) | _values}
    ),
    max_size=2,
)
_documents = st.fixed_dictionaries(
    {"ir_version": st.just("1.1.0"), "id": st.just("t"), "nodes": _nodes | _values},
    optional={
        "rules": _rules | _values,
        "state_schema": st.dictionaries(_keys | _texts, _values, max_size=3),
        "parallel": st.lists(_values, max_size=2),
        "lm": _values,
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_documents | _values)
def test_no_document_is_more_than_refused(sent: Any):
    try:
        graph = parse_graph(sent)
    except GraphInvalid as error:
        assert error.problems
    else:
        assert len(graph.hash) == 64
