"""The cron tools: they act for the user whose message it was, and for nobody else."""

import json
from typing import Any

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key

HOURLY = {"kind": "interval", "every_ms": 3_600_000}


def call(gateway: Gateway, tool: str, **arguments: Any) -> dict[str, Any]:
    """The event of the tool's outcome: its data."""
    gateway.chat(f"!tool {tool} {json.dumps(arguments)}\n!turn\n!say done")
    # Not what `cron_run` has started meanwhile.
    newest = gateway.get("/v1/runs", limit=1, trigger_source="manual")["items"][0]["run_id"]
    events = gateway.get(f"/api/v1/runs/{newest}/events")["events"]
    [outcome] = [
        event["payload"]
        for event in events
        if event["kind"] in ("ToolCallCompleted", "ToolCallFailed")
    ]
    data: dict[str, Any] = outcome
    return data


def test_a_job_is_added_changed_run_listed_and_removed(as_role: AsRole):
    user = as_role("user")
    name = new_key()

    added = call(user, "cron_add", name=name, prompt="hello", schedule=HOURLY)["result"]
    changed = call(user, "cron_update", name=name, prompt="hi", overlap="queue")["result"]
    started = call(user, "cron_run", name=name)["result"]
    runs = call(user, "cron_runs", name=name)["result"]["runs"]
    listed = call(user, "cron_list")["result"]["jobs"]
    over_http = user.get("/api/cron/jobs")
    call(user, "cron_remove", name=name)

    assert (added["name"], added["schedule"]) == (name, HOURLY)
    assert (changed["id"], changed["prompt"], changed["overlap"]) == (added["id"], "hi", "queue")
    assert [run["id"] for run in runs] == [started["id"]]
    assert [job["id"] for job in listed] == [job["id"] for job in over_http] == [added["id"]]
    assert user.get("/api/cron/jobs") == []


def test_tools_do_not_see_or_touch_other_peoples_jobs(gateway: Gateway, as_role: AsRole):
    user = as_role("user")
    name = new_key()
    made = user.client.post(
        "/api/cron/jobs", json={"name": name, "prompt": "hello", "schedule": HOURLY}
    )
    assert made.status_code == 201

    for tool in ("cron_update", "cron_run", "cron_runs", "cron_remove"):
        refused = call(gateway, tool, name=name)  # even an administrator acts for itself
        assert "there is no job" in refused["error"]
    assert name not in {job["name"] for job in call(gateway, "cron_list")["result"]["jobs"]}
    assert user.client.delete(f"/api/cron/jobs/{made.json()['id']}").status_code == 204


def test_refusals_are_for_the_model_to_read(as_role: AsRole):
    user = as_role("user")
    past = {"kind": "one_shot", "at": "2020-01-01T00:00:00Z"}

    for arguments, said in (
        ({"name": "old", "prompt": "x", "schedule": past}, "past"),
        ({"name": "__heartbeat__", "prompt": "x", "schedule": HOURLY}, "reserved"),
        ({"name": "odd", "prompt": "x", "schedule": {"kind": "cron", "expr": "x"}}, "five fields"),
        ({"name": "none", "prompt": "x"}, "schedule"),
    ):
        assert said in call(user, "cron_add", **arguments)["error"]
    assert user.get("/api/cron/jobs") == []


def test_the_heartbeat_is_woken_by_those_who_may(gateway: Gateway, as_role: AsRole):
    assert "administrators" in call(as_role("user"), "heartbeat_wake")["error"]
    assert "HEARTBEAT.md is empty" in call(gateway, "heartbeat_wake")["error"]
