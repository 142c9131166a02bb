"""Coming back: what a client has not seen yet, each thing once and in order."""

from typing import Any

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.socket.client import (
    END,
    ask,
    bare,
    chat_socket,
    receive,
    say,
    send,
    text_of,
)
from tests.runs.graph_api.sockets import Frame, read_until

SCRIPT = (
    '!usage 7 3\n!say Looking.\n!tool calculate {"expression": "6*7"}\n!turn\n'
    "!usage 9 2\n!say It is 42."
)


def resume(frame: Frame, session_id: str) -> dict[str, Any]:
    return {
        "type": "resume",
        "session_id": session_id,
        "run_id": frame["run_id"],
        "after": frame["seq"],
    }


def recorded(frames: list[Frame]) -> list[Frame]:
    """What is not text, and the text of each place as one."""
    told: list[Frame] = []
    for frame in map(bare, frames):
        if frame["type"] == "text_delta" and told and told[-1]["type"] == "text_delta":
            told[-1] = {**frame, "text": told[-1]["text"] + frame["text"]}
        elif frame["type"] != "stream_start":
            told.append(frame)
    return told


def test_from_any_frame_of_an_ended_answer_the_rest_comes_again(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        whole = ask(socket, SCRIPT)
    session_id = whole[0]["session_id"]

    for last in {frame["seq"]: frame for frame in whole}.values():
        seen = [f for f in whole if f["seq"] < last["seq"]]
        seen += [f for f in whole if f["seq"] == last["seq"] and f["type"] != "text_delta"]
        with chat_socket(gateway.client) as socket:
            send(socket, resume(last, session_id))
            rest = read_until(socket, END) if last["type"] != END else [receive(socket)]

        assert rest[0]["type"] == "stream_start"
        if last["type"] != END:
            assert recorded(seen + rest) == recorded(whole)


def test_a_stream_under_way_goes_on_in_another_socket(gateway: Gateway):
    script = "!say one\n!tool now {}\n!turn\n!say two\n!sleep 1\n!say three"

    with chat_socket(gateway.client) as socket:
        say(socket, script)
        session_id = receive(socket)["session_id"]
        last = read_until(socket, "tool_result")[-1]
    query = f"?token={gateway.client.headers['X-API-Key']}&session_id={session_id}"
    query += f"&run_id={last['run_id']}&after={last['seq']}"
    with chat_socket(gateway.client, query=query) as socket:
        rest = read_until(socket, END)

    assert rest[0]["resumed"] is True
    assert [frame["type"] for frame in rest if frame["type"].startswith("tool")] == []
    assert text_of(rest) == "two\nthree"
    assert rest[-1]["num_turns"] == 1


def test_text_that_was_cut_off_comes_again_as_a_whole(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        say(socket, "!say one two\n!sleep 1\n!say three")
        frames = read_until(socket, "text_delta")
    with chat_socket(gateway.client) as socket:
        send(socket, resume(frames[-1], frames[0]["session_id"]))
        rest = read_until(socket, END)

    assert text_of(rest) == "one two\nthree"


def test_text_that_streams_goes_on_streaming_in_the_next_socket(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        say(socket, "!say one two\n!sleep 600")
        frames = read_until(socket, "text_delta")
    with chat_socket(gateway.client) as socket:
        send(socket, resume(frames[-1], frames[0]["session_id"]))
        text = ""
        while text != "one two":
            text += read_until(socket, "text_delta")[-1]["text"]
        send(socket, {"type": "stop"})
        read_until(socket, END)


def test_other_peoples_answers_are_not_found(gateway: Gateway, as_role: AsRole):
    with chat_socket(gateway.client) as socket:
        ended = ask(socket, "hello")[-1]
    stranger = as_role("user")
    own = stranger.chat("mine")["session_id"]

    with chat_socket(stranger.client) as socket:
        send(socket, resume(ended, ended["session_id"]))
        foreign = receive(socket)
        send(socket, resume(ended, own))
        mixed = receive(socket)

    assert foreign == {"type": "error", "message": "Session not found"}
    assert mixed == {"type": "error", "message": "Run not found"}


@pytest.mark.parametrize("query", ["&session_id=x", "&run_id=x", "&session_id=x&run_id=y&after=z"])
def test_half_a_resumption_is_an_ordinary_socket(gateway: Gateway, query: str):
    token = gateway.client.headers["X-API-Key"]

    with chat_socket(gateway.client, query=f"?token={token}{query}") as socket:
        assert text_of(ask(socket, "hello")) == "You said: hello"


def test_a_question_that_was_answered_meanwhile_is_told_with_its_answer(gateway: Gateway):
    key = new_key()
    script = '!tool ask_human {"prompt": "Which?"}\n!turn\n!say Thank you.'

    with chat_socket(gateway.client) as socket:
        asked = ask(socket, script, channel_session_key=key)
    gateway.chat("green", channel_session_key=key)
    with chat_socket(gateway.client) as socket:
        send(socket, resume(asked[-1], asked[0]["session_id"]))
        rest = read_until(socket, END)

    assert text_of(rest) == "Thank you."
