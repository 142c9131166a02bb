"""How large a message may be, on both servers, and what a client reads of one that is larger."""

import json
from contextlib import suppress

from websockets.exceptions import ConnectionClosed

from tests.chat.gateway import Gateway
from tests.chat.socket.client import chat_socket, receive
from tests.conftest import StartServer
from tests.runs.graph_api.sockets import read_all

MIB = 1024 * 1024
TOO_LARGE = (
    "The message was too large to process."
    " Try removing some attachments or uploading smaller files."
)


def test_a_message_that_is_too_large_is_told_so_before_the_close(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        # In pieces: the client goes on sending when the server has had enough.
        with suppress(ConnectionClosed):
            socket.send("x" * MIB for _ in range(60))
        frames, (code, _) = read_all(socket)

    assert frames == [{"type": "error", "message": TOO_LARGE}]
    assert code == 1009


def test_daphne_says_so_too(start_server: StartServer):
    server = start_server(flags=["--server", "daphne"], workers=0)

    with chat_socket(server.client) as socket:
        with suppress(ConnectionClosed):
            socket.send("x" * (41 * MIB))
        frames, (code, _) = read_all(socket)

    assert frames == [{"type": "error", "message": TOO_LARGE}]
    assert code == 1009


def test_twice_the_largest_file_is_a_message_that_gets_through(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        socket.send(json.dumps({"type": "nothing", "padding": "x" * (39 * MIB)}))
        frame = receive(socket)

    assert frame["message"].startswith("Invalid message format: ")
