"""Cancel, pause, resume and respond under /v1/runs/{id}."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.e2e.snapshots import query
from tests.runs.graph_api.client import ASKING_GOAL, SLEEPING_GOAL, GraphClient
from tests.server import RunningServer

#: Stops at the boundary before its second turn when it is paused in time.
SLOW_GOAL = "!sleep 2\n!tool now {}\n!turn\n!say done"


def test_cancelling_answers_with_the_run_as_it_is_now(graphs: GraphClient):
    run_id = graphs.start(SLEEPING_GOAL)
    graphs.until(run_id, "running")

    answer = graphs.command(run_id, "cancel")
    again = graphs.command(run_id, "cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert answer.json() == graphs.summary(run_id)
    assert again.status_code == 409
    assert again.json() == {
        "detail": "cannot cancel from state 'cancelled';"
        " valid states are 'running', 'paused', 'awaiting-input'"
    }


def test_a_waiting_run_can_be_cancelled(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    assert graphs.command(run_id, "cancel").json()["status"] == "cancelled"


def test_a_paused_run_stays_so_until_it_is_resumed_and_then_goes_on(graphs: GraphClient):
    run_id = graphs.start(SLOW_GOAL)
    graphs.until(run_id, "running")

    paused = graphs.command(run_id, "pause")
    stopped = graphs.until(run_id, "paused")
    resumed = graphs.command(run_id, "resume")

    assert paused.status_code == 200
    assert paused.json()["status"] == "running"
    assert resumed.status_code == 202
    assert resumed.json() == {"run_id": run_id, "status": "pending"}
    assert (stopped["finished_at"], stopped["duration_ms"]) == (None, None)
    assert graphs.until(run_id, "done")["error_class"] is None


def test_only_a_running_run_can_be_paused(graphs: GraphClient):
    run_id = graphs.start("hello")
    graphs.until(run_id, "done")

    answer = graphs.command(run_id, "pause")

    assert answer.status_code == 409
    assert answer.json() == {"detail": "cannot pause from state 'done'; valid state is 'running'"}


def test_only_a_paused_run_can_be_resumed(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    answer = graphs.command(run_id, "resume", {})

    assert answer.status_code == 409
    assert answer.json() == {
        "detail": "cannot resume from state 'awaiting-input'; valid state is 'paused'"
    }


def test_a_step_without_a_checkpoint_is_refused_and_the_run_stays_paused(graphs: GraphClient):
    run_id = graphs.start(SLOW_GOAL)
    graphs.until(run_id, "running")
    graphs.command(run_id, "pause")
    graphs.until(run_id, "paused")

    answer = graphs.command(run_id, "resume", {"from_step": 3})
    beyond = graphs.command(run_id, "resume", {"from_step": 2**63})

    assert answer.status_code == 409
    assert answer.json() == {"detail": "no checkpoint at step 3"}
    assert beyond.status_code == 422
    assert beyond.json()["detail"][0]["loc"] == ["body", "from_step"]
    assert graphs.summary(run_id)["status"] == "paused"


def test_an_answer_lets_the_run_go_on(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    answer = graphs.command(run_id, "respond", {"response": {"ship": True}, "actor": "olga"})

    assert answer.status_code == 200
    assert answer.json()["run_id"] == run_id
    assert graphs.until(run_id, "done")


def test_a_choice_is_answered_by_an_object_that_holds_it(graphs: GraphClient):
    ask = '!tool ask_human {"prompt": "Ship it?", "choices": ["yes", "no"]}\n!turn\n!say thank you'
    run_id = graphs.start(ask)
    graphs.until(run_id, "awaiting-input")

    refused = graphs.command(run_id, "respond", {"response": {"answer": "perhaps"}})
    accepted = graphs.command(run_id, "respond", {"response": {"answer": "yes"}})

    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "response"]
    assert accepted.status_code == 200
    assert graphs.until(run_id, "done")["error_class"] is None


def test_of_many_answers_one_is_accepted(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    def answer(number: int) -> httpx.Response:
        return graphs.command(run_id, "respond", {"response": {"number": number}})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(answer, range(6)))

    refused = [answer for answer in answers if answer.status_code == 409]
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert all("; valid state is 'awaiting-input'" in answer.json()["detail"] for answer in refused)


def test_a_response_that_is_no_object_is_located_and_not_echoed(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    answer = graphs.command(run_id, "respond", {"response": "my secret"})

    [item] = answer.json()["detail"]
    assert answer.status_code == 422
    assert (item["type"], item["loc"]) == ("dict_type", ["body", "response"])
    assert "my secret" not in answer.text
    assert graphs.summary(run_id)["status"] == "awaiting-input"


def test_the_audit_trail_has_the_hash_of_an_answer_and_not_the_answer(
    graphs: GraphClient, server: RunningServer
):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")
    response = {"decision": "approve", "comment": "LGTM"}

    graphs.command(run_id, "respond", {"response": response, "actor": "olga"})

    records = [
        str(record)
        for run, record in query(
            server.data_dir, server.environment, "SELECT run_id, record FROM accounts_auditrecord"
        )
        if run == run_id
    ]
    respond = next(record for record in records if '"kind":"respond"' in record)
    # The vector of RFC 8785 and SHA-256 that clients of this dialect know.
    assert "3f327fd2f79f10c01ef7bd914f9ad80b3d0e56f3c468f34cea6af40e870b90c5" in respond
    assert '"actor_claimed":"olga"' in respond
    assert not any("LGTM" in record for record in records)
