"""GET /v1/graphs and GET /v1/registry/{kind}."""

from tests.runs.api.daemon import read_stored
from tests.runs.graph_api.client import GraphClient
from tests.server import RunningServer


def test_graphs_are_listed_by_id_with_hash_and_size(graphs: GraphClient):
    listed = graphs.client.get("/v1/graphs").json()

    [agent] = [graph for graph in listed if graph["graph_id"] == "agent"]
    assert list(agent) == ["graph_id", "graph_hash", "node_count"]
    assert agent["node_count"] == 1
    assert agent["graph_hash"] == graphs.summary(graphs.start("hello"))["graph_hash"]
    assert listed == sorted(listed, key=lambda graph: graph["graph_id"])


def test_a_server_keeps_the_versions_of_its_built_in_graphs(
    graphs: GraphClient, server: RunningServer
):
    """For runs that the next release of the program finds unfinished."""
    kept = "SELECT count(*) FROM runs_graphversion WHERE graph_id = %s AND hash = %s"

    for graph in graphs.client.get("/v1/graphs").json():
        assert read_stored(server, kept, graph["graph_id"], graph["graph_hash"]) == 1


def test_tools_are_listed_with_their_schemas(graphs: GraphClient):
    tools = graphs.client.get("/v1/registry/tools").json()

    [calculate] = [tool for tool in tools if tool["name"] == "calculate"]
    assert calculate["namespace"] == "core"
    assert calculate["side_effects"] == "none"
    assert calculate["input_schema"]["properties"]["expression"]["type"] == "string"
    assert calculate["deprecated"] is False


def test_a_kind_without_entries_is_empty_and_an_unknown_one_is_not_found(graphs: GraphClient):
    assert graphs.client.get("/v1/registry/skills").json() == []
    assert graphs.client.get("/v1/registry/stores").json() == []

    unknown = graphs.client.get("/v1/registry/spells")
    assert unknown.status_code == 404
    assert unknown.json() == {"detail": "unknown registry kind: 'spells'"}
