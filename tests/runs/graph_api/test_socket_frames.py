"""What the stream tells of a run, and in which frames."""

import json
from typing import Any

import jsonschema
import pytest

from tests.runs.api.daemon import TOOL_GOAL
from tests.runs.graph_api.client import ASKING_GOAL, GraphClient
from tests.runs.graph_api.sockets import (
    cursor,
    follow,
    read_all,
    read_until,
    recorded,
    run_code,
    types,
    watch,
)
from tests.runs.graph_api.story import DIGEST, RESPONSE_HASH, TOLD
from tests.server import ROOT, RunningServer

STAYING_GOAL = f"!sleep 0.5\n{TOOL_GOAL}"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Accepts what the OpenAPI document says a frame is: no field more, no field less."""
    document = json.loads((ROOT / "docs/reference/openapi.json").read_bytes())
    described = document["x-websockets"]["/v1/runs/{run_id}/stream"]["frames"]
    return jsonschema.Draft202012Validator(
        {**described, "components": document["components"]},
        format_checker=jsonschema.FormatChecker(),
    )


@pytest.fixture
def story(stories: dict[str, str]) -> str:
    return stories["done"]


def test_an_agent_run_is_told_as_it_happens(
    graphs: GraphClient, validator: jsonschema.Draft202012Validator
):
    run_id = graphs.start(STAYING_GOAL)

    with watch(graphs.client, run_id) as socket:
        frames, closing = read_all(socket)

    assert types(recorded(frames)) == [
        "bosun_audit:run_started",
        "bosun_audit:turn_completed",
        "tool_call",
        "tool_result",
        "bosun_audit:turn_completed",
        "result",
    ]
    for frame in frames:
        validator.validate(frame)
    assert frames[-1]["status"] == "done"
    assert frames[-1]["final_state"] == {"goal": STAYING_GOAL, "answer": "It is 42."}
    assert closing == (1000, "run done")


def test_text_comes_as_it_streams_and_is_never_sent_again(graphs: GraphClient):
    run_id = graphs.start("!sleep 0.5\n!say one two three")

    with watch(graphs.client, run_id) as socket:
        live = read_all(socket)[0]
    later = follow(graphs.client, run_id)

    tokens = [frame for frame in live if frame["type"] == "token"]
    assert "".join(frame["token"] for frame in tokens) == "one two three"
    assert [frame["index"] for frame in tokens] == list(range(len(tokens)))
    assert {frame["model"] for frame in tokens} == {"scripted/scripted"}
    assert {cursor(frame) for frame in tokens} == {cursor(live[0])}
    assert later == recorded(live)


def test_a_graph_run_is_told_with_steps_and_branches(
    graphs: GraphClient, story: str, validator: jsonschema.Draft202012Validator
):
    frames = follow(graphs.client, story)

    told = zip(types(frames), frames, strict=True)
    assert [(name, frame["step"], frame["branch_id"]) for name, frame in told] == TOLD
    for frame in frames:
        validator.validate(frame)


def test_the_frames_of_a_graph_run_say_what_happened(graphs: GraphClient, story: str):
    frames = follow(graphs.client, story)
    by_type = {frame["type"]: frame for frame in reversed(frames)}  # the first of each

    def shown(kind: str, *names: str) -> list[Any]:
        return [by_type[kind][name] for name in names]

    assert shown("transition", "from_node", "to_node", "rule_id", "reason") == [
        "triage",
        "gate",
        "r-risky",
        "goto",
    ]
    assert shown("checkpoint", "checkpoint_id") == [f"{story}:0"]
    assert shown("waiting_for_input", "prompt", "requested_capability") == [
        "Ship it?",
        "runs:respond",
    ]
    assert shown("branch_started", "target", "strategy") == ["left", "all"]
    assert shown("branch_completed", "result") == [{"value": {"left": "ok"}}]
    assert shown("branch_cancelled", "reason") == ["error"]
    assert shown("error", "scope", "message", "recoverable") == ["node", "no such file", True]
    assert shown("tool_result", "ok", "result", "error") == [True, {"result": "noon"}, None]
    assert shown("interrupt_timeout", "on_timeout") == ["goto:end"]
    assert by_type["artifact_written"]["artifact_ref"] == {
        "artifact_id": DIGEST[:32],
        "content_hash": DIGEST,
        "name": "a.txt",
        "content_type": "text/plain",
        "run_id": story,
        "step": 3,
        "created_at": by_type["artifact_written"]["ts"],
    }


def test_a_state_is_the_fold_of_the_steps_that_counted(
    graphs: GraphClient, stories: dict[str, str]
):
    told, forked = follow(graphs.client, stories["done"]), follow(graphs.client, stories["forked"])

    paused, done = [frame for frame in told if frame["type"] == "result"]
    *_, error, failed = forked

    begun = {"goal": "ship", "lang": "en", "score": 2, "left": "ok"}
    assert (paused["status"], paused["final_state"]) == ("paused", begun)
    assert (done["status"], done["final_state"]) == ("done", {**begun, "report": "right"})
    assert (error["message"], error["recoverable"]) == ("the provider said <no>", False)
    assert (failed["status"], failed["final_state"]) == ("failed", {"score": 3, "report": "other"})
    assert forked[1]["fact"] == {
        "kind": "counterfactual_forked",
        "actor": "carol",
        "parent_run_id": "01PARENT",
        "step": 2,
        "reason": "",
    }


def test_an_answer_is_told_by_its_hash_alone(graphs: GraphClient, story: str):
    waiting = graphs.start(ASKING_GOAL)

    with watch(graphs.client, waiting) as socket:
        asked = read_until(socket, "waiting_for_input")[-1]
        graphs.command(waiting, "respond", {"response": {"answer": "very private"}})
        rest, closing = read_all(socket)
    told = follow(graphs.client, story)

    assert (asked["prompt"], asked["requested_capability"]) == ("Ship it?", None)
    assert rest[0]["fact"]["kind"] == "respond"
    assert "very private" not in json.dumps(rest[0])
    assert closing == (1000, "run done")
    facts = [frame["fact"] for frame in told if frame["type"] == "bosun_audit"]
    assert {"kind": "respond", "actor": "alice", "body_hash": RESPONSE_HASH} in facts


def test_a_cancelled_run_is_told_and_closed(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)

    with watch(graphs.client, run_id) as socket:
        read_until(socket, "waiting_for_input")
        graphs.command(run_id, "cancel")
        frames, closing = read_all(socket)

    assert [frame["type"] for frame in frames][-1] == "run_cancelled"
    assert frames[-1]["reason"] == "user"
    assert closing == (1000, "run cancelled")


def test_redacted_events_leave_empty_frames(
    server: RunningServer, graphs: GraphClient, stories: dict[str, str]
):
    story = stories["redacted"]
    whole = follow(graphs.client, story)
    run_code(
        server,
        "from runs.log.redact import redact_event",
        "from runs.models import Event",
        f"seqs = list(Event.objects.filter(run_id={story!r}).values_list('seq', flat=True))",
        f"[redact_event(run_id={story!r}, seq=s, actor='t', reason='private') for s in seqs]",
    )

    redacted = follow(graphs.client, story)
    rest = follow(graphs.client, story, query=f"?last_event_id={cursor(whole[-2])}")

    assert [frame["payload"]["redacted"] for frame in redacted] == [True] * len(redacted)
    assert "LGTM" not in json.dumps(redacted) and "ship" not in json.dumps(redacted)
    assert [frame["type"] for frame in rest] == ["result"]
