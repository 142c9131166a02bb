"""Who may open a stream, and how they say who they are."""

import time
from collections.abc import Callable

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.conftest import SHARED_TOKEN, StartServer
from tests.runs.api.daemon import TOOL_GOAL, read_stored
from tests.runs.graph_api.client import PATIENCE_SECONDS, GraphClient
from tests.runs.graph_api.sockets import (
    closing,
    cursor,
    follow,
    read_all,
    refusal,
    stream_url,
    types,
    watch,
)
from tests.server import RunningServer

AsRole = Callable[[str], GraphClient]


@pytest.fixture
def done(graphs: GraphClient) -> str:
    run_id = graphs.start("hello")
    graphs.until(run_id, "done")
    return run_id


def test_headers_and_the_query_carry_credentials(server: RunningServer, done: str):
    ways: list[tuple[dict[str, str], str]] = [
        ({"X-API-Key": server.admin_key}, ""),
        ({"Authorization": f"Bearer {server.admin_key}"}, ""),
        ({"Authorization": f"Bearer {SHARED_TOKEN}"}, ""),
        ({}, f"?token={server.admin_key}"),
    ]

    for headers, query in ways:
        assert len(follow(server.anonymous, done, headers=headers, query=query)) == 3


def test_a_page_offers_its_token_as_a_subprotocol(server: RunningServer, done: str):
    offered = [Subprotocol("stargraph.v1"), Subprotocol(f"bearer.{server.admin_key}")]

    with connect(stream_url(server.anonymous, done), subprotocols=offered) as socket:
        chosen = socket.subprotocol
        frames, _ = read_all(socket)

    assert chosen == "stargraph.v1"
    assert len(frames) == 3
    status, _ = refusal(server.anonymous, done, subprotocols=["stargraph.v1", "bearer.nonsense"])
    assert status == 401


def test_who_is_nobody_is_refused_before_the_handshake(server: RunningServer, done: str):
    missing = refusal(server.anonymous, done)
    wrong = refusal(server.anonymous, done, headers={"Authorization": "Bearer nonsense"})

    assert missing == (401, {"detail": "missing_api_key"})
    assert wrong == (401, {"detail": "invalid_api_key"})


def test_who_lacks_the_capability_is_refused_before_the_handshake(as_role: AsRole, done: str):
    status, body = refusal(as_role("scraper").client, done)

    assert status == 403
    assert body["detail"].startswith("capability 'runs:read' not granted")


def test_other_peoples_runs_are_not_found(as_role: AsRole, graphs: GraphClient, done: str):
    stranger = as_role("user")
    mine = stranger.start("hello")

    assert closing(stranger.client, done) == (1008, f"run '{done}' not found")
    assert closing(stranger.client, "01NOSUCHRUN") == (1008, "run '01NOSUCHRUN' not found")
    assert closing(graphs.client, "no%00pe") == (1008, "run 'no\x00pe' not found")
    assert types(follow(stranger.client, mine))[-1] == "result"


def test_a_login_counts_for_our_own_pages_alone(server: RunningServer, done: str):
    cookie = {"Cookie": log_in(server)}
    own = {**cookie, "Origin": server.url}
    elsewhere = {**cookie, "Origin": "http://localhost:1"}
    foreign = {**cookie, "Origin": "https://evil.example"}

    assert len(follow(server.anonymous, done, headers=own)) == 3
    for headers in (cookie, elsewhere, foreign):
        assert refusal(server.anonymous, done, headers=headers)[0] == 403


def log_in(server: RunningServer) -> str:
    """The cookie of a browser in which the admin is logged in."""
    with httpx.Client(base_url=server.url, follow_redirects=False) as browser:
        page = browser.get("/admin/login/")
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"csrfmiddlewaretoken": token, "api_key": server.admin_key}
        answer = browser.post("/admin/login/", data=form)
        assert answer.status_code == 302, answer.text
        return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def test_streams_are_in_the_audit_trail(server: RunningServer, graphs: GraphClient, done: str):
    route = f"/v1/runs/{done}/stream"

    follow(graphs.client, done)
    refusal(server.anonymous, done)

    for kind in ("auth_succeeded", "auth_failed", "capability_granted"):
        until_recorded(server, kind, f'"route":"{route}"')
    for kind, detail in (("stream_opened", "actor"), ("stream_closed", '"code":1000')):
        until_recorded(server, kind, detail, run_id=done)


def until_recorded(server: RunningServer, kind: str, detail: str, *, run_id: str = "") -> None:
    """Wait for a record that says so: decisions are stored a moment later."""
    found = "SELECT count(*) FROM accounts_auditrecord WHERE fact_kind = %s AND run_id = %s"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not read_stored(server, f"{found} AND record LIKE %s", kind, run_id, f"%{detail}%"):
        assert time.monotonic() < deadline, kind
        time.sleep(0.05)


def test_daphne_serves_the_same_stream(start_server: StartServer):
    server = start_server(flags=["--server", "daphne"])
    graphs = GraphClient(server.client)
    run_id = graphs.start(f"!sleep 0.3\n{TOOL_GOAL}")

    with watch(graphs.client, run_id) as socket:
        live, ended = read_all(socket)
    later = follow(graphs.client, run_id, headers={"Last-Event-Id": cursor(live[0])})

    assert ended == (1000, "run done")
    assert later == [frame for frame in live if frame["type"] != "token"][1:]
    assert closing(graphs.client, "nope") == (1008, "run 'nope' not found")
    # It cannot answer a handshake with a status of our choice.
    assert refusal(server.anonymous, run_id)[0] == 403
