"""`/ws` as a client uses it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.runs.graph_api.sockets import PATIENCE_SECONDS, Frame, read_until

END = "stream_end"


def socket_url(client: httpx.Client, query: str) -> str:
    return str(client.base_url).rstrip("/").replace("http", "ws", 1) + "/ws" + query


@contextmanager
def chat_socket(
    client: httpx.Client, *, query: str | None = None, max_queue: int | None = None, **options: Any
) -> Iterator[ClientConnection]:
    """An open socket, by the client's key in the query unless another query is given."""
    if query is None:
        query = f"?token={quote(client.headers['X-API-Key'])}"
    with connect(
        socket_url(client, query),
        max_size=None,
        max_queue=max_queue,
        open_timeout=PATIENCE_SECONDS,
        **options,
    ) as socket:
        yield socket


def say(socket: ClientConnection, text: str, **fields: Any) -> None:
    send(socket, {"type": "message", "text": text, **fields})


def send(socket: ClientConnection, frame: dict[str, Any]) -> None:
    socket.send(json.dumps(frame))


def ask(socket: ClientConnection, text: str, **fields: Any) -> list[Frame]:
    """Say it; the frames from there to the end of the answer."""
    say(socket, text, **fields)
    return read_until(socket, END)


def receive(socket: ClientConnection) -> Frame:
    frame: Frame = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
    return frame


def text_of(frames: Sequence[Frame]) -> str:
    """Everything said in the answer."""
    return "".join(frame["text"] for frame in frames if frame["type"] == "text_delta")


def bare(frame: Frame) -> Frame:
    """Without what clients of old do not know."""
    return {
        name: value
        for name, value in frame.items()
        if name not in ("run_id", "seq", "turn_id", "attempt")
    }


def refused(client: httpx.Client, query: str, **options: Any) -> tuple[int, str]:
    """The status and text that a handshake is answered with."""
    try:
        with chat_socket(client, query=query, **options):
            raise AssertionError("the handshake succeeded")
    except InvalidStatus as error:
        return error.response.status_code, (error.response.body or b"").decode()
