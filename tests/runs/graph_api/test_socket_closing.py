"""Why and how a stream's socket is closed."""

import signal
import socket as sockets
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import StartServer
from tests.runs.api.daemon import IS_CELERY, as_holder_of, change_stored, issue_key
from tests.runs.graph_api.client import ASKING_GOAL, SLEEPING_GOAL, GraphClient
from tests.runs.graph_api.sockets import (
    PATIENCE_SECONDS,
    closing,
    read_all,
    read_some,
    read_until,
    types,
    watch,
)
from tests.server import RunningServer

#: More than a connection holds that nobody reads: text of 300 pieces, 20 KB each.
TORRENT = "!sleep 3\n!repeat 300 " + "x" * 20_000


def test_a_queued_run_is_waited_for(start_server: StartServer):
    server = start_server(flags=["--workers", "1"], env={"STARPORT_DRAIN_SECONDS": "0"}, workers=0)
    graphs = GraphClient(server.client)
    if not IS_CELERY:
        blocking = graphs.start(SLEEPING_GOAL)
        graphs.until(blocking, "running")
    run_id = graphs.start("hello")

    with watch(graphs.client, run_id) as socket:
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)
        graphs.command(run_id, "cancel")
        frames, ended = read_all(socket)

    assert types(frames) == ["bosun_audit:run_started", "run_cancelled"]
    assert ended == (1000, "run cancelled")


def test_a_waiting_run_keeps_the_socket_open(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    graphs.until(run_id, "awaiting-input")

    with watch(graphs.client, run_id) as socket:
        read_until(socket, "waiting_for_input")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1)

    graphs.command(run_id, "cancel")


def test_what_clients_say_is_ignored_until_it_is_too_much(graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)

    with watch(graphs.client, run_id) as socket:
        for message in ("ping", "x" * 1024, b"\x00" * 1024):
            socket.send(message)
        read_until(socket, "waiting_for_input")
        socket.send("x" * 1025)
        _, (code, _) = read_all(socket)

    assert code == 1009
    graphs.command(run_id, "cancel")


def test_a_slow_client_is_cut_off_and_nobody_else(graphs: GraphClient):
    run_id = graphs.start(TORRENT)

    with watch(graphs.client, run_id, sock=narrow_connection(graphs.client), max_queue=4) as slow:
        with watch(graphs.client, run_id) as quick:
            told, ended = read_all(quick)
        # Everybody else has been told the whole before this one reads its first frame.
        buffered, cut = read_all(slow)

    tokens = [frame["index"] for frame in told if frame["type"] == "token"]
    received = [frame["index"] for frame in buffered if frame["type"] == "token"]
    assert ended == (1000, "run done")
    assert cut == (1011, "slow consumer")
    assert received == tokens[: len(received)]
    assert len(received) < len(tokens) == 300


def narrow_connection(client: httpx.Client) -> sockets.socket:
    """One that takes little from the server while its client does not read."""
    address = urlsplit(str(client.base_url))
    connection = sockets.socket()
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    return connection


def test_so_many_may_watch_and_who_leaves_makes_room(start_server: StartServer):
    graphs = GraphClient(start_server(env={"STARPORT_STREAM_SUBSCRIBERS": "2"}).client)
    run_id = graphs.start(ASKING_GOAL)

    with watch(graphs.client, run_id) as first, watch(graphs.client, run_id) as second:
        for socket in (first, second):
            read_until(socket, "waiting_for_input")
        refused = closing(graphs.client, run_id)

    assert refused == (1013, "too many subscribers")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_let_in(graphs, run_id):
        assert time.monotonic() < deadline  # the server learns of who left when it does


def is_let_in(graphs: GraphClient, run_id: str) -> bool:
    with watch(graphs.client, run_id) as socket:
        return bool(read_some(socket, 1))


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_a_server_that_stops_says_so(start_server: StartServer, kind: str):
    server = start_server(flags=["--server", kind])
    graphs = GraphClient(server.client)
    run_id = graphs.start(ASKING_GOAL)

    with watch(graphs.client, run_id) as socket:
        read_until(socket, "waiting_for_input")
        server.process.send_signal(signal.SIGTERM)
        _, ended = read_all(socket)

    assert ended == (1001, "server shutting down")
    assert server.process.wait() == 0


def test_a_client_that_left_a_finished_run_does_not_hold_the_server_up(start_server: StartServer):
    server = start_server()
    graphs = GraphClient(server.client)
    run_id = graphs.start("hello")
    graphs.until(run_id, "done")

    with watch(graphs.client, run_id) as socket:
        read_until(socket, "result")

    assert server.stop() == 0


def test_a_revoked_key_ends_the_stream(server: RunningServer, graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    key = issue_key(server, "viewer")

    with as_holder_of(server, key) as viewer, watch(viewer.client, run_id) as socket:
        read_until(socket, "waiting_for_input")
        revoked = server.manage("apikey", "revoke", key.removeprefix("sp_live_")[:8])
        _, ended = read_all(socket)

    assert revoked.returncode == 0
    assert ended == (1008, "token expired")
    graphs.command(run_id, "cancel")


def test_a_run_that_is_removed_closes_the_socket(server: RunningServer, graphs: GraphClient):
    run_id = graphs.start(ASKING_GOAL)
    with watch(graphs.client, run_id) as socket:
        read_until(socket, "waiting_for_input")
        graphs.until(run_id, "awaiting-input")
        change_stored(server, "DELETE FROM runs_event WHERE run_id = %s", run_id)
        change_stored(server, "DELETE FROM runs_run WHERE id = %s", run_id)
        _, ended = read_all(socket)

    assert ended == (1008, f"run '{run_id}' not found")
