"""The page of a graph: drawn from its document, with all its versions."""

import re

import pytest

from runs.graphs.documents import parse_graph
from runs.graphs.registry import built_in_graphs, keep_versions, register
from tests.runs.inspector.logs import write_run

pytestmark = pytest.mark.django_db

GRAPH = "/admin/runs/graphversion/graph/"
HOSTILE = "</title></svg><script>alert(1)</script><img src=x>"


def document(nodes, rules=(), **more):
    return {"ir_version": "1.1.0", "id": "mine", "nodes": nodes, "rules": list(rules), **more}


def edges_on(response):
    """The words of each line, with the look it is drawn with."""
    found = re.findall(r'<g class="edge ([a-z-]+)[^"]*"><title>([^<]*)<', response.content.decode())
    return {(title, look) for look, title in found}


def nodes_on(response):
    """Id and look of each node."""
    return re.findall(
        r'<g class="node ([a-z]+)[^"]*" data-node="([^"]*)"', response.content.decode()
    )


def test_an_approval_is_drawn_with_its_gate_its_end_and_the_way_back(admin_client):
    page = admin_client.get(f"{GRAPH}approval")

    assert nodes_on(page) == [
        ("plain", "draft"),
        ("gate", "gate"),
        ("plain", "publish"),
        ("end", "published"),
        ("plain", "note"),
    ]
    assert edges_on(page) == {
        ("the start to draft in list order", "continue"),
        ("draft to gate in list order", "continue"),
        ("gate to publish in list order", "continue"),
        ("publish to published in list order", "continue"),
        ("gate to note by rule rejected", "goto"),
        ("note to draft by rule again", "goto"),
    }


def test_branches_are_drawn_between_their_fan_and_their_join(admin_client):
    drawn = edges_on(admin_client.get(f"{GRAPH}fan-out-report"))

    fan = "at the same time as others, by rule fan-out"
    for branch in ("for-it", "against-it", "facts"):
        assert (f"begin to {branch} {fan}", "fan-out") in drawn
        assert (f"{branch} to report when the branches are done", "join") in drawn
    assert ("for-it to against-it in list order", "continue") not in drawn
    assert ("keep to the end in list order", "continue") in drawn


def test_what_happens_without_an_answer_is_drawn(admin_client):
    drawn = edges_on(admin_client.get(f"{GRAPH}webhook-triage"))

    assert ("page to escalate when nobody answers in time", "timeout") in drawn
    assert ("answered to escalate in list order", "continue") not in drawn  # it halts


def test_rules_say_which_nodes_they_leave_and_after_what(admin_client):
    goto_b, halt = {"kind": "goto", "target": "b"}, {"kind": "halt"}
    register(
        document(
            [{"id": name, "kind": "echo"} for name in "abc"],
            [
                {"id": "named", "when": "x > 1 and node == 'a'", "then": [goto_b]},
                {"id": "any", "when": "x > 2", "then": [halt]},
                {
                    "id": "again",
                    "node_id": "c",
                    "after": "failure",
                    "when": "true",
                    "then": [goto_b],
                },
                {
                    "id": "asks",
                    "node_id": "b",
                    "when": "x",
                    "then": [{"kind": "interrupt", "prompt": "?"}],
                },
            ],
            parallel=[{"targets": ["b", "c"]}],
        ),
        source="test",
        actor="test",
    )

    drawn = edges_on(admin_client.get(f"{GRAPH}mine"))

    assert ("a to b at the same time as others, by rule named", "fan-out") in drawn
    assert ("a to c at the same time as others", "fan-out") in drawn  # the block, in list order
    assert ("any node to the end by rule any", "halt") in drawn
    assert ("c to b at the same time as others, by rule again, after a failure", "failure") in drawn
    assert ("b to c after a human was asked, by rule asks", "gate") in drawn


def test_the_picture_is_there_in_words(admin_client):
    page = admin_client.get(f"{GRAPH}approval").content.decode()

    assert 'role="img" aria-labelledby="graph-title graph-desc"' in page
    assert re.search(r'<desc id="graph-desc">Nodes: draft \(llm\), gate \(interrupt\)', page)
    assert "gate to note by rule rejected" in page


def test_what_a_document_says_is_text_and_not_markup(admin_client):
    nodes = [{"id": "a", "kind": "tool", "config": {"tool": HOSTILE[:30]}}]
    nodes += [{"id": "h", "kind": "halt", "config": {"reason": HOSTILE}}]
    register(document(nodes, id=f"x/{HOSTILE}", description=HOSTILE), source="test", actor="test")

    catalogue = admin_client.get("/admin/runs/graphversion/").content.decode()
    [link] = re.findall(r'href="([^"]*graph/x/[^"]*)"', catalogue)
    page = admin_client.get(link)

    assert page.status_code == 200
    for html in (catalogue, page.content.decode()):
        assert "<script>alert" not in html
        assert "<img" not in html.replace('<img src="/static', "")
    assert "&lt;script&gt;alert(1)" in page.content.decode()


def test_a_graph_of_very_many_nodes_is_not_drawn_but_shown(admin_client, text_of):
    register(
        document([{"id": f"n{number}", "kind": "echo"} for number in range(301)]),
        source="test",
        actor="test",
    )

    page = admin_client.get(f"{GRAPH}mine")

    assert "There is no drawing" in text_of(page)
    assert "n300" in text_of(page)


def test_every_version_can_be_looked_at(admin_client, text_of):
    first = register(document([{"id": "old", "kind": "echo"}]), source="test", actor="test")
    register(document([{"id": "new", "kind": "echo"}]), source="test", actor="test")

    assert [node for _, node in nodes_on(admin_client.get(f"{GRAPH}mine"))] == ["new"]
    older = admin_client.get(f"{GRAPH}mine?version={first.hash}")
    assert [node for _, node in nodes_on(older)] == ["old"]
    assert text_of(older).count(" current ") == 1
    assert admin_client.get(f"{GRAPH}mine?version=abc").status_code == 404
    assert admin_client.get(f"{GRAPH}nosuch").status_code == 404


def test_a_built_in_graph_has_its_earlier_versions_and_itself_once(admin_client, text_of):
    now = built_in_graphs()["approval"]
    before = parse_graph(document([{"id": "old", "kind": "echo"}]) | {"id": "approval"})
    keep_versions([before, now])

    page = admin_client.get(f"{GRAPH}approval")
    older = admin_client.get(f"{GRAPH}approval?version={before.hash}")
    catalogue = admin_client.get("/admin/runs/graphversion/").content.decode()

    assert [node for _, node in nodes_on(older)] == ["old"]
    assert text_of(older).count(now.hash[:12]) == 1
    assert text_of(page).count(" current ") == 1
    assert catalogue.count('graph/approval"') == 1


def test_the_runs_of_a_graph_are_linked_and_counted(admin_client, text_of):
    run = write_run(graph_id="approval")
    other = write_run()

    page = admin_client.get(f"{GRAPH}approval").content.decode()

    assert f"/admin/runs/run/{run.id}/change/" in page
    assert other.id not in page
    catalogue = admin_client.get("/admin/runs/graphversion/").content.decode()
    row = catalogue[catalogue.index("graph/approval") :]
    assert '<td class="number" data-label="runs">1</td>' in row[: row.index("</tr>")]
