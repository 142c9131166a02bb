"""What comes over the socket while a message is answered."""

import base64

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.socket.client import END, ask, bare, chat_socket, receive, say, send, text_of
from tests.runs.graph_api.sockets import read_until
from tests.server import RunningServer

CALLING = '!usage 12 5\n!say Looking.\n!tool calculate {"expression": "6*7"}\n!turn\n!say 42.'


def test_an_answer_streams_between_its_start_and_its_end(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        frames = ask(socket, "!usage 12 5\n!say one two three", channel_id="web")

    session_id = frames[0]["session_id"]
    assert bare(frames[0]) == {"type": "stream_start", "session_id": session_id}
    assert bare(frames[-1]) == {
        "type": "stream_end",
        "session_id": session_id,
        "num_turns": 0,
        "cost_usd": pytest.approx(22e-6),
        "input_tokens": 12,
        "output_tokens": 5,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "is_error": False,
    }
    assert {frame["type"] for frame in frames[1:-1]} == {"text_delta"}
    assert text_of(frames) == "one two three"
    assert gateway.get(f"/api/sessions/{session_id}")["channel"] == "main"


def test_text_comes_while_it_is_made(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        say(socket, "!say before\n!sleep 600\n!say after")
        frames = read_until(socket, "text_delta")
        send(socket, {"type": "stop"})
        ended = read_until(socket, END)[-1]

    assert frames[-1]["text"].startswith("before")
    assert (ended["is_error"], ended["cancelled"]) == (False, True)


def test_calls_and_results_stand_between_the_texts(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        frames = ask(socket, CALLING)

    at = [frame["type"] for frame in frames].index("tool_use")
    use, result = frames[at : at + 2]
    assert text_of(frames[:at]) == "Looking."
    assert bare(use) == {
        "type": "tool_use", "id": use["id"], "name": "calculate", "input": {"expression": "6*7"},
    }  # fmt: skip
    assert bare(result) == {
        "type": "tool_result", "tool_use_id": use["id"], "content": "42", "is_error": False,
    }  # fmt: skip
    assert text_of(frames[at + 2 :]) == "42."
    assert frames[-1]["num_turns"] == 1


def test_every_frame_of_an_answer_says_where_in_its_log_it_stands(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        frames = ask(socket, CALLING)

    seqs = [frame["seq"] for frame in frames]
    assert seqs == sorted(seqs)
    assert len({frame["run_id"] for frame in frames}) == 1
    run = gateway.get(f"/v1/runs/{frames[0]['run_id']}")
    assert run["status"] == "done"


def test_a_model_that_fails_ends_the_stream_as_an_error(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        ended = ask(socket, "!fail auth")[-1]
        after = ask(socket, "hello")

    assert ended["is_error"] is True
    assert ended["errors"][0].startswith("API error: ")
    assert text_of(after) == "You said: hello"


def test_a_question_ends_the_stream_and_the_next_message_answers_it(gateway: Gateway):
    key = new_key()
    script = '!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thank you.'

    with chat_socket(gateway.client) as socket:
        asked = ask(socket, script, channel_session_key=key)
        answered = ask(socket, "green", channel_session_key=key)

    assert text_of(asked) == "Which colour?"
    assert asked[-1]["awaiting_input"] is True
    assert answered[-1]["run_id"] == asked[-1]["run_id"]
    assert text_of(answered) == "Thank you."
    assert "awaiting_input" not in answered[-1]


def test_a_waiting_run_can_be_stopped(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        asked = ask(socket, '!tool ask_human {"prompt": "Which colour?"}')
        send(socket, {"type": "stop"})
        send(socket, {"type": "stop"})
        error = receive(socket)

    assert error == {"type": "error", "message": "There is nothing to stop"}
    assert gateway.get(f"/v1/runs/{asked[-1]['run_id']}")["status"] == "cancelled"


def test_what_the_assistant_attaches_follows_the_end(gateway: Gateway, server: RunningServer):
    files = server.data_dir / "files"
    files.mkdir(exist_ok=True)
    (files / "plan.txt").write_text("the plan")
    script = '!tool attach {"path": "plan.txt"}\n!turn\n!say Here.'

    with chat_socket(gateway.client) as socket:
        ask(socket, script)
        delivered = receive(socket)
    replied = gateway.chat(script)

    expected = {
        "file_name": "plan.txt",
        "mime_type": "text/plain",
        "data": base64.b64encode(b"the plan").decode(),
    }
    assert bare(delivered) == {"type": "attachment", **expected}
    assert replied["attachments"] == [expected]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "object"),
        ("{}", "type"),
        ('{"type": "greeting"}', "type"),
        ('{"type": []}', "type"),
        ('{"type": "message"}', "text"),
        ('{"type": "message", "text": 5}', "text"),
        ('{"type": "message", "text": " "}', "blank"),
        ('{"type": "message", "text": "a\\u0000b"}', "NUL"),
        ('{"type": "message", "text": "x", "attachments": [{"file_name": "a"}]}', "attachments"),
        ('{"type": "message", "text": "x", "channel_session_key": "' + "k" * 201 + '"}', "key"),
        ('{"type": "resume", "session_id": "s", "run_id": "r", "after": -1}', "after"),
    ],
)
def test_what_is_no_frame_is_an_error_and_the_socket_goes_on(
    gateway: Gateway, frame: str, said: str
):
    with chat_socket(gateway.client) as socket:
        socket.send(frame)
        error = receive(socket)
        after = ask(socket, "hello")

    assert error["type"] == "error"
    assert error["message"].startswith("Invalid message format: ")
    assert said in error["message"]
    assert text_of(after) == "You said: hello"


def test_a_model_that_is_not_offered_is_an_error_and_opens_no_session(as_role: AsRole):
    user = as_role("user")

    with chat_socket(user.client) as socket:
        say(socket, "hello", model="scripted/other")
        error = receive(socket)

    assert error["message"] == (
        "Chat error: Config error: model scripted/other is not in the allowed list"
    )
    assert user.get("/api/sessions") == []
