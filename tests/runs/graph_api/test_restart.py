"""What a stop and a new start leave of the runs: everything, and nothing holds the stop up."""

from tests.conftest import StartServer
from tests.e2e.driving import WITH_FAULT_TOOLS
from tests.runs.graph_api.client import GraphClient


def asking(graphs: GraphClient) -> str:
    run_id = graphs.start("!say A draft", graph_id="approval")
    graphs.until(run_id, "awaiting-input")
    return run_id


def test_runs_are_read_answered_and_listed_after_a_restart_as_before(start_server: StartServer):
    server = start_server(flags=["--workers", "1"], env=WITH_FAULT_TOOLS)
    graphs = GraphClient(server.client)
    ids = [graphs.start("hello"), graphs.start("!fail auth")]
    for run_id, status in zip(ids, ("done", "failed"), strict=True):
        graphs.until(run_id, status)
    cancelled = asking(graphs)
    graphs.command(cancelled, "cancel")
    waiting = asking(graphs)  # the only worker is free, and so is the graph
    ids += [cancelled, waiting]
    before, total = [graphs.summary(run_id) for run_id in ids], graphs.page()["total"]
    tools = {
        row["name"]: row["namespace"] for row in graphs.client.get("/v1/registry/tools").json()
    }

    code = server.stop()
    server.start_again()
    graphs = GraphClient(server.client)
    after = [graphs.summary(run_id) for run_id in ids]
    listed = {run["run_id"]: run for run in graphs.page()["items"]}
    graphs.command(waiting, "respond", {"response": {"decision": "approve"}})
    graphs.until(waiting, "done")

    assert code == 0
    assert after == before == [listed[run_id] for run_id in ids]
    assert len(listed) == total
    [artifact] = graphs.client.get(f"/v1/runs/{waiting}/artifacts").json()
    assert graphs.client.get(f"/v1/artifacts/{artifact['artifact_id']}").text == "A draft"
    # A package that offers tools was found by the server.
    assert (tools["price"], tools["now"]) == ("faults", "core")
