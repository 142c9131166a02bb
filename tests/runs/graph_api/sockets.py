"""The stream as a client reads it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.server import RunningServer

PATIENCE_SECONDS = 60.0  # far more than anything here takes; a machine may be busy

Frame = dict[str, Any]


@contextmanager
def watch(
    client: httpx.Client,
    run_id: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    max_queue: int | None = None,  # messages until it stops reading; then closing takes long
    **options: Any,
) -> Iterator[ClientConnection]:
    """An open socket; the credential is the client's."""
    sent = {"X-API-Key": client.headers["X-API-Key"]} if "X-API-Key" in client.headers else {}
    with connect(
        stream_url(client, run_id, query),
        additional_headers={**sent, **(headers or {})},
        max_size=None,
        max_queue=max_queue,
        open_timeout=PATIENCE_SECONDS,
        **options,
    ) as socket:
        yield socket


def stream_url(client: httpx.Client, run_id: str, query: str = "") -> str:
    base = str(client.base_url).rstrip("/").replace("http", "ws", 1)
    return f"{base}/v1/runs/{run_id}/stream{query}"


def read_all(socket: ClientConnection) -> tuple[list[Frame], tuple[int, str]]:
    """The frames that come until the server closes, and how it closes."""
    frames: list[Frame] = []
    while True:
        try:
            frames.append(json.loads(socket.recv(timeout=PATIENCE_SECONDS)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, closed
            return frames, (closed.rcvd.code, closed.rcvd.reason)


def read_until(socket: ClientConnection, kind: str) -> list[Frame]:
    """The frames up to the first of that type."""
    frames: list[Frame] = []
    while not frames or frames[-1]["type"] != kind:
        frames.append(json.loads(socket.recv(timeout=PATIENCE_SECONDS)))
    return frames


def read_some(socket: ClientConnection, count: int) -> list[Frame]:
    """Up to that many frames; fewer when the server closes before."""
    frames: list[Frame] = []
    with suppress(ConnectionClosed):
        while len(frames) < count:
            frames.append(json.loads(socket.recv(timeout=PATIENCE_SECONDS)))
    return frames


def follow(client: httpx.Client, run_id: str, **options: Any) -> list[Frame]:
    """Everything recorded of a run that ends: without the text as it streams."""
    with watch(client, run_id, **options) as socket:
        return recorded(read_all(socket)[0])


def read_in_pieces(client: httpx.Client, run_id: str, *, at_a_time: int) -> list[Frame]:
    """Reconnects after so many frames, until the run has nothing more to tell."""
    frames: list[Frame] = []
    while not frames or frames[-1]["type"] != "result":
        seen = {"Last-Event-Id": cursor(frames[-1])} if frames else {}
        with watch(client, run_id, headers=seen) as socket:
            frames += recorded(read_some(socket, at_a_time))
    return frames


def closing(client: httpx.Client, run_id: str, **options: Any) -> tuple[int, str]:
    with watch(client, run_id, **options) as socket:
        return read_all(socket)[1]


def refusal(client: httpx.Client, run_id: str, **options: Any) -> tuple[int, Any]:
    """The status and body that a handshake is answered with."""
    try:
        with watch(client, run_id, **options):
            raise AssertionError("the handshake succeeded")
    except InvalidStatus as error:
        return error.response.status_code, json.loads(error.response.body or b"null")


def recorded(frames: Sequence[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame["type"] != "token"]


def cursor(frame: Frame) -> str:
    found: str = frame["payload"]["cursor"]
    return found


def types(frames: Sequence[Frame]) -> list[str]:
    """What the frames are, in order; facts with their kind."""
    return [
        f"{frame['type']}:{frame['fact']['kind']}" if "fact" in frame else frame["type"]
        for frame in frames
    ]


def run_code(server: RunningServer, *lines: str) -> str:
    """What the lines print when they are executed on the server's data."""
    done = server.manage("shell", "--no-imports", "-c", "\n".join(lines))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
