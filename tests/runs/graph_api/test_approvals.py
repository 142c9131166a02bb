"""The inbox of a server whose runs really wait."""

from collections.abc import Callable

from tests.runs.graph_api.client import ASKING_GOAL, GraphClient


def waiting(graphs: GraphClient) -> dict[str, bool]:
    """Run ids, and whether the caller can answer."""
    answer = graphs.client.get("/v1/approvals", params={"limit": 1000})
    assert answer.status_code == 200, answer.text
    return {item["run_id"]: item["can_respond"] for item in answer.json()["items"]}


def test_a_run_is_in_the_inbox_from_its_question_to_the_answer(
    graphs: GraphClient, as_role: Callable[[str], GraphClient]
):
    viewer = as_role("viewer")
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    for_admin, for_viewer = waiting(graphs), waiting(viewer)
    graphs.command(run_id, "respond", {"response": {"ship": True}})
    afterwards = waiting(graphs)
    graphs.until(run_id, "done")

    assert (for_admin[run_id], for_viewer[run_id]) == (True, False)
    assert run_id not in afterwards
