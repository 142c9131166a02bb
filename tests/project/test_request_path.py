"""How a request travels: one hop into threads that live on; streams on the event loop."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.server import RunningServer

THREADS = 4  # of the probe's pool


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait for another process. Its clock is not ours, so there is nothing better to wait on."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_many_requests_are_served_by_few_threads_that_keep_their_connections(
    probe: RunningServer,
):
    def ask(_: int) -> dict[str, Any]:
        facts: dict[str, Any] = probe.anonymous.get("/where").raise_for_status().json()
        return facts

    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(ask, range(200)))

    assert len({answer["ident"] for answer in answers}) <= THREADS
    assert len({answer["connection"] for answer in answers}) <= THREADS
    assert all(answer["thread"].startswith("request_") for answer in answers)


def test_a_stream_runs_on_the_event_loop_and_holds_no_thread(probe: RunningServer):
    with httpx.Client(base_url=probe.url, timeout=30.0) as client:
        streams = [client.stream("GET", "/silent") for _ in range(3 * THREADS)]
        opened = [stream.__enter__() for stream in streams]
        first_lines = [next(response.iter_lines()) for response in opened]

        answer = client.get("/where")

        for stream in streams:
            stream.__exit__(None, None, None)
    assert first_lines == ["open"] * len(streams)
    assert answer.status_code == 200


def test_the_event_loop_thread_iterates_a_stream(probe: RunningServer):
    with probe.anonymous.stream("GET", "/endless") as response:
        thread_name = next(response.iter_lines())

    assert thread_name == "MainThread"


@pytest.mark.parametrize("name", ["endless", "silent"])
def test_a_client_that_leaves_ends_the_streams_generator(probe: RunningServer, name: str):
    marker = Path(probe.data_dir, f"{name}-closed")
    marker.unlink(missing_ok=True)

    with probe.anonymous.stream("GET", f"/{name}") as response:
        next(response.iter_lines())

    assert eventually(marker.exists)


def test_a_stop_ends_open_streams_in_good_order(start_probe):
    server = start_probe()
    with server.anonymous.stream("GET", "/silent") as response:
        lines = response.iter_lines()
        first = next(lines)
        server.process.popen.terminate()
        rest = list(lines)  # would raise if the body were cut off

    assert (first, rest) == ("open", [])
    assert server.process.wait() == 0
    assert Path(server.data_dir, "silent-closed").exists()


def test_a_stream_that_fails_is_cut_off_and_tells_nothing(probe: RunningServer):
    received = b""
    with pytest.raises(httpx.TransportError):  # noqa: SIM117 - the read is what raises
        with probe.anonymous.stream("GET", "/breaks") as response:
            for part in response.iter_bytes():
                received += part

    assert b"secrets" not in received


def test_a_long_file_like_response_arrives_whole(probe: RunningServer):
    answer = probe.anonymous.get("/numbers")

    assert answer.text.splitlines() == [str(number) for number in range(200_000)]


def test_head_has_the_headers_of_get_and_no_body(probe: RunningServer):
    fetched, asked = probe.anonymous.get("/only-get"), probe.anonymous.head("/only-get")

    assert asked.status_code == 200
    assert asked.headers["Content-Length"] == fetched.headers["Content-Length"]
    assert asked.content == b""


def test_a_body_up_to_the_limit_arrives_whole(probe: RunningServer):
    body = b"x" * (2 * 1024 * 1024)

    answer = probe.anonymous.post("/length", content=body)

    assert answer.json() == {"length": len(body)}


def test_a_body_sent_in_chunks_arrives_whole(probe: RunningServer):
    answer = probe.anonymous.post("/length", content=(b"x" * 50_000 for _ in range(20)))

    assert answer.json() == {"length": 1_000_000}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/length", {"error": "Request entity too large"}),
        ("/v1/refusing/post", {"detail": "Request Entity Too Large"}),
    ],
)
def test_a_longer_body_is_refused_in_the_words_of_its_surface(
    probe: RunningServer, path: str, body: dict[str, str]
):
    answer = probe.client.post(path, content=b"x" * (2 * 1024 * 1024 + 1))

    assert answer.status_code == 413
    assert answer.json() == body


def test_a_body_of_undeclared_length_is_refused_at_the_limit(probe: RunningServer):
    answer = probe.anonymous.post("/length", content=(b"x" * 65_536 for _ in range(40)))

    assert answer.status_code == 413


def test_an_unknown_caller_is_refused_before_the_size_of_the_body_matters(probe: RunningServer):
    answer = probe.anonymous.post("/api/v1/runs", content=b"x" * (2 * 1024 * 1024 + 1))

    assert answer.status_code == 401


def test_a_declared_long_body_is_refused_without_reading_it(start_probe):
    server = start_probe()  # Daphne reads a body whole before it asks us
    address = urlsplit(server.url)
    head = f"POST /length HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 10000000000\r\n\r\n"

    with socket.create_connection((address.hostname, address.port), 30) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()  # to the end: the server closes

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_static_files_are_served(probe: RunningServer):
    sheet = probe.anonymous.get("/static/css/site.css")

    assert sheet.status_code == 200
    assert sheet.headers["Content-Type"].startswith("text/css")
    assert "--accent" in sheet.text
    assert probe.anonymous.get("/static/admin/css/base.css").status_code == 200
