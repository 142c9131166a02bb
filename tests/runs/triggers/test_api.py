"""`/v1/triggers`: what there is, firing by hand, and who may."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from tests.runs.graph_api.client import GraphClient
from tests.runs.triggers.pages import AdminPages, Hook
from tests.server import ROOT, RunningServer

AsRole = Callable[[str], GraphClient]


@pytest.fixture
def cron(pages: AdminPages) -> str:
    """The id of a cron trigger that is not due for a long time."""
    name = f"cron-{secrets.token_hex(6)}"
    page = pages.post(
        "/admin/runs/crontrigger/add/",
        trigger_id=name,
        graph_id="agent",
        params='{"goal": "hello"}',
        is_enabled="on",
        cron_expression="0 0 29 2 *",
        tz="Europe/Berlin",
        missed_fire_policy="skip",
    )
    assert "was added successfully" in page
    return name


def row(graphs: GraphClient, name: str) -> dict[str, Any]:
    return next(
        found for found in graphs.client.get("/v1/triggers").json() if found["trigger_id"] == name
    )


def fire(graphs: GraphClient, name: str, body: Any = None, **headers: str) -> Any:
    return graphs.client.post(f"/v1/triggers/{name}/fire", json=body, headers=headers)


def test_a_trigger_is_listed_with_its_next_time_and_its_last_run(
    graphs: GraphClient, cron: str, as_role: AsRole
):
    before = row(graphs, cron)

    run_id = fire(graphs, cron).json()["run_id"]

    assert before["next_fire_at"].endswith("-02-28T23:00:00Z")
    assert (before["kind"], before["enabled"], before["last_run_id"]) == ("cron", True, None)
    assert row(graphs, cron) | {"last_fired_at": None} == before | {"last_run_id": run_id}
    # A user sees their own runs only, and this one is the admin's.
    assert row(as_role("user"), cron)["last_run_id"] is None


def test_a_run_that_is_fired_by_hand_belongs_to_the_caller(cron: str, as_role: AsRole):
    user = as_role("user")

    answer = fire(user, cron)

    assert answer.status_code == 202
    summary = user.until(answer.json()["run_id"], "done")
    assert summary["trigger_source"] == "cron"
    assert answer.headers["Location"] == f"/v1/runs/{summary['run_id']}"


def test_a_webhook_is_fired_with_the_body_it_would_have_received(
    pages: AdminPages, graphs: GraphClient
):
    hook = pages.add_webhook(mapping='{"goal": "about {{ body.title }}"}')

    fired = fire(graphs, hook.name, {"title": "Fire"}).json()["run_id"]
    unfit = fire(graphs, hook.name, {})

    graphs.until(fired, "done")
    detail = graphs.client.get(f"/api/v1/runs/{fired}").json()
    assert "about Fire" in json.dumps(detail)
    assert "accepted" in pages.delivery(hook)
    assert unfit.status_code == 422
    assert unfit.json()["detail"][0]["loc"] == ["body", "goal"]


@pytest.mark.parametrize("kind", ["cron", "hook"])
def test_a_key_fires_once(graphs: GraphClient, cron: str, hook: Hook, kind: str):
    name, body = (cron, {}) if kind == "cron" else (hook.name, {"goal": "hello"})

    first = fire(graphs, name, body, **{"Idempotency-Key": "K"})
    again = fire(graphs, name, body, **{"Idempotency-Key": "K"})
    other = fire(graphs, name, {"goal": "other"}, **{"Idempotency-Key": "K"})

    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status_code == 409
    assert fire(graphs, name, body).json() != first.json()


def test_what_is_unknown_or_switched_off_cannot_be_fired(
    graphs: GraphClient, pages: AdminPages, hook: Hook
):
    pages.change_webhook(hook, is_enabled="")

    unknown, disabled = fire(graphs, "nothing"), fire(graphs, hook.name, {"goal": "hello"})

    assert (unknown.status_code, unknown.json()) == (
        404,
        {"detail": "trigger 'nothing' not found"},
    )
    assert (disabled.status_code, disabled.json()) == (
        409,
        {"detail": f"trigger '{hook.name}' is disabled"},
    )


@pytest.mark.parametrize("kind", ["cron", "hook"])
@pytest.mark.parametrize(
    ("value", "location"),
    [
        ("9223372036854775808", ["body", "n"]),
        ("1e999", None),
        ("[" * 40 + "]" * 40, ["body"]),
    ],
)
def test_what_no_log_can_hold_is_refused_and_fires_nothing(
    graphs: GraphClient, cron: str, hook: Hook, kind: str, value: str, location: Any
):
    name, before = (cron if kind == "cron" else hook.name), graphs.page()["total"]

    content = f'{{"goal": "hello", "n": {value}}}'
    answer = graphs.client.post(f"/v1/triggers/{name}/fire", content=content)

    [item] = answer.json()["detail"]
    assert answer.status_code == 422
    assert item["loc"] == location if location else item["type"] == "json_invalid"
    assert graphs.page()["total"] == before
    assert row(graphs, name)["last_run_id"] is None


def test_what_can_be_no_id_or_path_is_not_looked_for(graphs: GraphClient, hook: Hook):
    for path in ("/v1/triggers/%00/fire", "/hooks/%00", f"/hooks/{hook.name}/", "/hooks/"):
        answer = graphs.client.post(path)

        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_who_may(server: RunningServer, as_role: AsRole):
    scraper, viewer = as_role("scraper"), as_role("viewer")

    for method, path in (("GET", "/v1/triggers"), ("POST", "/v1/triggers/x/fire")):
        assert server.anonymous.request(method, path).status_code == 401
        assert scraper.client.request(method, path).status_code == 403
    assert viewer.client.get("/v1/triggers").status_code == 200
    assert fire(viewer, "x").status_code == 403


def test_firing_now_in_the_admin_starts_a_run_and_is_audited(
    pages: AdminPages, graphs: GraphClient, cron: str, server: RunningServer
):
    page = pages.get(f"/admin/runs/crontrigger/?q={cron}")
    pk = page.split('name="_selected_action" value="')[1].split('"')[0]

    pages.post("/admin/runs/crontrigger/", action="fire_now", _selected_action=pk)

    run_id = row(graphs, cron)["last_run_id"]
    assert graphs.until(run_id, "done")
    listed = server.manage("audit", "list", "--kind", "trigger_fired", "--run", run_id)
    assert "trigger_fired" in listed.stdout


def test_answers_are_as_described(graphs: GraphClient, hook: Hook):
    document = json.loads((ROOT / "docs/reference/openapi.json").read_bytes())

    def check(answer: Any, path: str, method: str) -> None:
        described = document["paths"][path][method]["responses"][str(answer.status_code)]
        schema = described["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(
            answer.json()
        )

    check(hook.deliver({"goal": "hello"}), "/hooks/{path}", "post")
    check(hook.deliver({}), "/hooks/{path}", "post")
    check(graphs.client.get("/v1/triggers"), "/v1/triggers", "get")
    check(fire(graphs, hook.name, {"goal": "x"}), "/v1/triggers/{trigger_id}/fire", "post")
    check(fire(graphs, hook.name, [1]), "/v1/triggers/{trigger_id}/fire", "post")
    assert "security" not in document["paths"]["/hooks/{path}"]["post"] or not any(
        document["paths"]["/hooks/{path}"]["post"]["security"]
    )
