"""Webhooks over HTTP: who is believed, what is refused in which order, what starts a run."""

import hashlib
import html
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from runs.triggers import signatures
from tests.conftest import StartServer
from tests.runs.api.daemon import IS_CELERY, read_stored
from tests.runs.graph_api.client import SLEEPING_GOAL, GraphClient
from tests.runs.triggers.pages import AdminPages, Hook
from tests.server import RunningServer

BODY = {"goal": "hello"}


def run_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run_id"])


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]


@pytest.mark.anywhere
def test_signature_and_key_are_the_documented_ones():
    body = b'{"a":1}'
    body_hash = hashlib.sha256(body).hexdigest()

    assert signatures.sign("s3cret", b"1700000000." + body) == (
        "1698a50bc74d1ff1db85c4e0a5297c2ad9fdba245d5737cdb789e4cc6e098940"
    )
    assert signatures.idempotency_key("webhook:x", body_hash) == (
        "e2bf847bf6bdaf0aef62849845724fd580091369993d20e4f849096fc3af3d48"
    )


def test_a_signed_request_starts_a_run(hook: Hook, graphs: GraphClient, server: RunningServer):
    body = json.dumps(BODY).encode()

    answer = hook.deliver(body)

    summary = graphs.until(run_of(answer), "done")
    expected = signatures.idempotency_key(hook.name, hashlib.sha256(body).hexdigest())
    assert answer.json()["accepted"] is True
    assert answer.json()["idempotency_key"] == expected
    assert (summary["trigger_source"], summary["graph_id"]) == ("webhook", "agent")
    statement = "SELECT actor FROM runs_run WHERE id = %s"
    assert read_stored(server, statement, summary["run_id"]) == f"webhook:{hook.name}"


def test_each_check_comes_before_the_next_and_has_its_code(hook: Hook):
    broken = b"\xff not json"
    now = int(time.time())
    good = hook.headers(broken)
    wrong = {"X-Stargraph-Signature": "00"}

    assert refusal(hook.send(broken)) == (401, "missing_headers")
    assert refusal(hook.send(broken, **{"X-Stargraph-Timestamp": "soon"})) == (
        401,
        "missing_headers",
    )
    for stamp in ("soon", "-1", "1.5"):
        assert refusal(hook.send(broken, **wrong, **{"X-Stargraph-Timestamp": stamp})) == (
            401,
            "invalid_timestamp",
        )
    for moment in (now - 400, now + 400):
        assert refusal(hook.send(broken, **wrong, **{"X-Stargraph-Timestamp": str(moment)})) == (
            401,
            "timestamp_out_of_window",
        )
    assert refusal(hook.send(broken, **good | wrong)) == (401, "invalid_signature")
    first, again = hook.send(broken, **good), hook.send(broken, **good)
    assert first.status_code == 400
    assert first.json()["detail"].startswith("invalid_body_json: ")
    assert refusal(again) == (409, "duplicate_nonce")


def test_a_body_must_be_an_object_and_none_at_all_is_an_empty_one(pages: AdminPages):
    hook = pages.add_webhook(params=json.dumps(BODY))

    assert refusal(hook.deliver([1])) == (400, "body_not_json_object")
    assert hook.deliver(b"[" * 100_000).json()["detail"].startswith("invalid_body_json: ")
    assert run_of(hook.deliver(b""))


def test_a_forged_signature_is_in_the_audit_trail(
    hook: Hook, pages: AdminPages, server: RunningServer
):
    stamp = int(time.time())

    hook.deliver(BODY, secret="not the secret at all", timestamp=stamp)

    record = json.loads(
        read_stored(
            server,
            "SELECT record FROM accounts_auditrecord WHERE run_id = %s",
            f"webhook:{hook.name}",
        )
    )
    assert record["pack_id"] == "stargraph.triggers.webhook"
    assert record["fact"]["kind"] == "webhook_signature_invalid"
    assert record["fact"]["timestamp"] == str(stamp)
    assert record["fact"]["path"] == f"/hooks/{hook.name}"
    assert "invalid_signature" in pages.delivery(hook)


def test_a_replayed_request_is_refused_however_many_come_at_once(hook: Hook):
    body = json.dumps(BODY).encode()
    headers = hook.headers(body)

    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(lambda _: hook.send(body, **headers), range(6)))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


def test_the_same_body_again_starts_no_other_run(hook: Hook, pages: AdminPages):
    now = int(time.time())

    first, again = hook.deliver(BODY, timestamp=now), hook.deliver(BODY, timestamp=now - 1)

    assert first.json() == again.json()
    assert len(pages.deliveries(hook)) == 2
    assert run_of(hook.deliver({"goal": "something else"})) != run_of(first)


def test_the_secret_of_before_is_good_until_it_is_dropped(hook: Hook, pages: AdminPages):
    fresh = secrets.token_urlsafe(24)

    pages.change_webhook(hook, new_secret=fresh)
    assert run_of(hook.deliver({"goal": "old"}))
    assert run_of(hook.deliver({"goal": "new"}, secret=fresh))
    page = pages.change_webhook(hook, keep_previous_secret="")

    assert refusal(hook.deliver({"goal": "old again"})) == (401, "invalid_signature")
    assert run_of(hook.deliver({"goal": "new again"}, secret=fresh))
    assert fresh not in page


def test_a_body_above_the_limit_is_refused(hook: Hook):
    assert refusal(hook.deliver(b" " * (1024 * 1024 + 1))) == (413, "body_too_large")


def test_githubs_requests_are_understood(pages: AdminPages, graphs: GraphClient):
    hook = pages.add_webhook(
        scheme="github", mapping='{"goal": "{{ event }}: {{ body.issue.title }}"}'
    )
    body = {"issue": {"title": "Fire"}}

    answer = hook.github(body, delivery="d1")

    run_id = run_of(answer)
    graphs.until(run_id, "done")
    detail = graphs.client.get(f"/api/v1/runs/{run_id}").json()
    assert "issues: Fire" in json.dumps(detail)
    assert refusal(hook.github(body, delivery="d1")) == (409, "duplicate_nonce")
    assert refusal(hook.deliver(body)) == (401, "missing_headers")


def test_a_captured_request_of_github_cannot_be_sent_again_under_another_id(pages: AdminPages):
    hook = pages.add_webhook(scheme="github", mapping='{"goal": "{{ body.title }}"}')

    assert run_of(hook.github({"title": "once"}, delivery="seen"))
    again = hook.github({"title": "once"}, delivery="made-up")

    assert refusal(again) == (409, "duplicate_nonce")


def test_what_the_graph_cannot_take_is_in_the_log_and_may_be_sent_again(
    pages: AdminPages,
):
    hook = pages.add_webhook(mapping='{"goal": "{{ body.title }}"}')
    body = json.dumps({"name": "Fire"}).encode()
    headers = hook.headers(body)

    refused = hook.send(body, **headers)
    log = html.unescape(pages.delivery(hook))
    pages.change_webhook(hook, mapping='{"goal": "{{ body.name }}"}')

    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("input_invalid: goal: ")
    assert refused.json()["detail"] in log
    assert run_of(hook.send(body, **headers))


def test_a_delivery_is_made_again_from_the_log_as_a_run_of_its_own(
    hook: Hook, pages: AdminPages, graphs: GraphClient, server: RunningServer
):
    secret = f"ghp_{secrets.token_hex(20)}"
    first = run_of(hook.deliver({"goal": "hello", "token": secret}))
    [delivery] = pages.deliveries(hook)
    kept = pages.delivery(hook)

    pages.post("/admin/runs/webhookdelivery/", action="deliver_again", _selected_action=delivery)

    again = pages.delivery(hook)
    second = read_stored(
        server,
        "SELECT run_id FROM accounts_auditrecord WHERE fact_kind = 'webhook_redelivered'"
        " AND record LIKE %s",
        f'%"{hook.name}"%',
    )
    assert "[redacted]" in kept and secret not in kept
    assert second in again and second != first
    assert graphs.until(second, "done")["trigger_source"] == "webhook"


def test_a_webhook_that_is_switched_off_is_not_there(hook: Hook, pages: AdminPages):
    pages.change_webhook(hook, is_enabled="")

    assert refusal(hook.deliver(BODY)) == (404, "Not Found")


def test_a_full_queue_costs_the_sender_nothing_but_a_second_try(start_server: StartServer):
    server = start_server(
        flags=["--workers", "1", "--queue", "1"], env={"STARPORT_DRAIN_SECONDS": "0"}, workers=0
    )
    graphs = GraphClient(server.client)
    with AdminPages(server) as pages:
        hook = pages.add_webhook()
    if not IS_CELERY:
        graphs.until(graphs.start(SLEEPING_GOAL), "running")
    waiting = graphs.start("hello")
    body = json.dumps(BODY).encode()
    headers = hook.headers(body)

    refused = hook.send(body, **headers)
    graphs.command(waiting, "cancel")

    assert refusal(refused) == (503, "queue_full")
    assert refused.headers["Retry-After"]
    assert run_of(hook.send(body, **headers))
