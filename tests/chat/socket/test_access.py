"""Who gets in, and why and how a socket is closed."""

import signal
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.chat.cast import Users
from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway
from tests.chat.socket.client import (
    ask,
    chat_socket,
    receive,
    refused,
    say,
    send,
    text_of,
)
from tests.conftest import StartServer
from tests.runs.api.daemon import as_holder_of
from tests.runs.graph_api.sockets import PATIENCE_SECONDS, read_all
from tests.runs.graph_api.test_socket_closing import narrow_connection
from tests.server import RunningServer


def test_who_brings_no_token_is_told_so_before_the_upgrade(server: RunningServer):
    assert refused(server.anonymous, "") == (401, "Missing token parameter")


@pytest.mark.parametrize("token", ["sp_live_" + "0" * 40, "nonsense", "%C3%BCber", "%00", "%FF%FE"])
def test_a_token_that_is_none_is_invalid(server: RunningServer, token: str):
    assert refused(server.anonymous, f"?token={token}") == (401, "Invalid token")


def test_a_page_offers_its_token_as_a_subprotocol(server: RunningServer):
    offered = [Subprotocol("starport"), Subprotocol(f"bearer.{server.admin_key}")]

    with chat_socket(server.anonymous, query="", subprotocols=offered) as socket:
        frames = ask(socket, "hello")

    assert socket.subprotocol == "starport"
    assert text_of(frames) == "You said: hello"


def test_a_token_in_an_address_is_in_no_log(start_server: StartServer):
    server = start_server(env={"STARPORT_LOG_LEVEL": "DEBUG"})
    token = server.admin_key

    with chat_socket(server.anonymous, query=f"?token={token}") as socket:
        assert text_of(ask(socket, "hello")) == "You said: hello"
    server.anonymous.get(f"/ws?token={token}")
    server.anonymous.get(f"/api/sessions?token={token}")
    server.anonymous.get(f"/api/v1/runs/unknown/stream?token={token}")

    assert token
    assert token not in server.errors()


def test_pages_of_other_sites_are_turned_away(server: RunningServer):
    query = f"?token={server.admin_key}"

    assert refused(server.anonymous, query, origin="https://evil.example")[0] == 403
    with chat_socket(server.anonymous, query=query, origin=server.url) as socket:
        assert text_of(ask(socket, "hello")) == "You said: hello"


def test_chatting_asks_for_its_capability(as_role: AsRole):
    status, text = refused(as_role("viewer").client, f"?token={key_of(as_role('viewer'))}")

    assert status == 403
    assert "chat:use" in text


def key_of(gateway: Gateway) -> str:
    return gateway.client.headers["X-API-Key"]


def test_a_request_without_upgrade_is_told_what_is_missing(server: RunningServer):
    answer = server.anonymous.get("/ws")

    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "`Connection`" in answer.text


def test_a_revoked_key_closes_its_sockets(server: RunningServer, users: Users):
    key = users.take("user")

    with as_holder_of(server, key) as user, chat_socket(user.client) as socket:
        ask(socket, "hello")
        revoked = server.manage("apikey", "revoke", key.removeprefix("sp_live_")[:8])
        _, (code, _) = read_all(socket)

    assert revoked.returncode == 0
    assert code == 4401


def test_binary_frames_are_not_taken(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        socket.send(b"\x00\x01")
        _, (code, _) = read_all(socket)

    assert code == 1003


def test_a_slow_reader_is_cut_off_and_its_run_goes_on(gateway: Gateway):
    torrent = "!sleep 0.2\n!repeat 100 " + "x" * 20_000
    script = "\n".join([torrent] * 10)

    with chat_socket(
        gateway.client,
        sock=narrow_connection(gateway.client),
        max_queue=4,
    ) as slow:
        say(slow, script)
        started = receive(slow)
        wait_for_answer(gateway, started["session_id"])
        with pytest.raises(ConnectionClosed) as cut:
            while True:
                receive(slow)

    assert cut.value.rcvd is not None
    assert (cut.value.rcvd.code, cut.value.rcvd.reason) == (1011, "slow consumer")
    assert gateway.get(f"/v1/runs/{started['run_id']}")["status"] == "done"


def wait_for_answer(gateway: Gateway, session_id: str) -> list[dict[str, str]]:
    """The transcript, as soon as an assistant has said something in it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        rows: list[dict[str, str]] = gateway.get(f"/api/sessions/{session_id}/messages")
        if rows[-1]["role"] == "assistant":
            return rows
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_socket_that_drops_does_not_stop_its_run(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        say(socket, "!sleep 0.5\n!say still here")
        session_id = receive(socket)["session_id"]

    assert wait_for_answer(gateway, session_id)[-1]["content"] == "still here"


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_a_server_that_stops_says_so_and_keeps_what_was_said(start_server: StartServer, kind: str):
    server = start_server(flags=["--server", kind])
    gateway = Gateway(server.client)

    with chat_socket(gateway.client) as socket:
        session_id = ask(socket, "hello")[-1]["session_id"]
        server.process.send_signal(signal.SIGTERM)
        _, (code, _) = read_all(socket)
    assert code == 1001
    assert server.process.wait() == 0
    server.start_again()

    rows = Gateway(server.client).get(f"/api/sessions/{session_id}/messages")
    assert [row["content"] for row in rows] == ["hello", "You said: hello"]


def test_messages_count_against_the_callers_quota(start_server: StartServer):
    server = start_server(env={"RATELIMIT_WRITE": "2", "RATELIMIT_WINDOW_SECONDS": "3600"})

    with chat_socket(server.client) as socket:
        ask(socket, "one")
        ask(socket, "two")
        say(socket, "three")
        error = receive(socket)
        send(socket, {"type": "stop"})
        free = receive(socket)

    assert error == {"type": "error", "message": "Rate limit exceeded"}
    assert free["message"] == "There is nothing to stop"
