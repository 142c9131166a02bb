"""What is said while an answer is on its way."""

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.socket.client import END, ask, chat_socket, say, send, text_of
from tests.chat.socket.test_access import wait_for_answer
from tests.chat.stored_settings import stored_settings
from tests.runs.graph_api.sockets import read_until
from tests.server import RunningServer

#: Streams for a moment, then calls a tool: what is said meanwhile is read before the next turn.
BUSY = "!say working\n!sleep 1\n!tool now {}\n!turn\n!say never reached"
FOR_EVER = "!say working\n!sleep 600"


def rows_of(gateway: Gateway, session_id: str) -> list[tuple[str, str]]:
    """What was said, tools left out."""
    rows = gateway.get(f"/api/sessions/{session_id}/messages")
    return [(row["role"], row["content"]) for row in rows if not row["role"].startswith("tool")]


def test_a_text_joins_the_run_under_way_and_is_stored(gateway: Gateway):
    key = new_key()

    with chat_socket(gateway.client) as socket:
        say(socket, BUSY, channel_session_key=key)
        begun = read_until(socket, "text_delta")
        say(socket, "and hurry", channel_session_key=key)
        frames = read_until(socket, END)
        after = ask(socket, "still there?", channel_session_key=key)

    assert text_of(frames) == "You said: and hurry"
    assert after[0]["run_id"] != begun[0]["run_id"]
    assert rows_of(gateway, begun[0]["session_id"]) == [
        ("user", BUSY),
        ("user", "and hurry"),
        ("assistant", "working"),
        ("assistant", "You said: and hurry"),
        ("user", "still there?"),
        ("assistant", "You said: still there?"),
    ]


def test_several_texts_join_in_their_order(gateway: Gateway):
    key = new_key()

    with chat_socket(gateway.client) as socket:
        say(socket, BUSY, channel_session_key=key)
        begun = read_until(socket, "text_delta")
        for text in ("one", "two", "three"):
            say(socket, text, channel_session_key=key)
        read_until(socket, END)

    state = gateway.get(f"/v1/runs/{begun[0]['run_id']}/state")["state"]
    said = [message["text"] for message in state["messages"] if message["role"] == "user"]
    assert said == [BUSY, "one", "two", "three"]


def test_a_text_that_the_run_ended_before_using_starts_a_new_one(gateway: Gateway):
    key = new_key()

    with chat_socket(gateway.client) as socket:
        say(socket, FOR_EVER, channel_session_key=key)
        begun = read_until(socket, "text_delta")
        say(socket, "do not lose this", channel_session_key=key)
        send(socket, {"type": "stop"})
        stopped = read_until(socket, END)[-1]
        answered = read_until(socket, END)

    assert stopped["cancelled"] is True
    assert answered[0]["run_id"] != begun[0]["run_id"]
    assert text_of(answered) == "You said: do not lose this"
    assert ("user", "do not lose this") in rows_of(gateway, begun[0]["session_id"])


def test_a_text_of_another_conversation_waits_for_its_own_run(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        say(socket, "!say working\n!sleep 1", channel_session_key=new_key())
        begun = read_until(socket, "text_delta")
        say(socket, "elsewhere", channel_session_key=new_key())
        first = begun + read_until(socket, END)
        second = read_until(socket, END)

    assert first[0]["session_id"] != second[0]["session_id"]
    assert text_of(first) == "working"
    assert text_of(second) == "You said: elsewhere"


def test_in_queue_mode_neighbours_of_one_conversation_are_one_message(
    gateway: Gateway, server: RunningServer
):
    key, other = new_key(), new_key()

    with (
        stored_settings(server, "general", followup_mode="queue"),
        chat_socket(gateway.client) as socket,
    ):
        say(socket, "!say working\n!sleep 1", channel_session_key=key)
        begun = read_until(socket, "text_delta")
        say(socket, "two", channel_session_key=key)
        say(socket, "three", channel_session_key=key)
        say(socket, "aside", channel_session_key=other)
        say(socket, "four", channel_session_key=key)
        answers = [read_until(socket, END) for _ in range(4)]

    assert [text_of(frames) for frames in answers[1:]] == [
        "You said: two\n\nthree", "You said: aside", "You said: four",
    ]  # fmt: skip
    sessions = [frames[0]["session_id"] for frames in answers[1:]]
    mine = begun[0]["session_id"]
    assert [session == mine for session in sessions] == [True, False, True]


def test_what_waits_in_a_socket_that_drops_is_answered_all_the_same(
    gateway: Gateway, server: RunningServer
):
    key = new_key()

    with stored_settings(server, "general", followup_mode="queue"):
        with chat_socket(gateway.client) as socket:
            say(socket, "!say working\n!sleep 1", channel_session_key=key)
            session_id = read_until(socket, "text_delta")[0]["session_id"]
            say(socket, "later", channel_session_key=key)
            socket.send("{")  # its error comes when what was sent before it has been taken in
            read_until(socket, "error")
        while ("assistant", "You said: later") not in rows_of(gateway, session_id):
            wait_for_answer(gateway, session_id)


def test_frames_that_are_none_are_reported_during_a_stream_as_well(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        say(socket, FOR_EVER)
        read_until(socket, "text_delta")
        socket.send("nonsense")
        error = read_until(socket, "error")[-1]
        send(socket, {"type": "stop"})
        read_until(socket, END)

    assert error["message"].startswith("Invalid message format: ")


def test_an_ended_run_is_not_joined(gateway: Gateway):
    key = new_key()

    with chat_socket(gateway.client) as socket:
        first = ask(socket, "!tool nothing_like_it {}\n!turn\n!say done", channel_session_key=key)
        second = ask(socket, "next", channel_session_key=key)

    assert text_of(first) == "done"
    assert text_of(second) == "You said: next"


def test_a_limited_key_does_not_join_a_run_that_may_do_more(as_role: AsRole, server: RunningServer):
    user, key = as_role("user"), new_key()
    user_id = user.get("/api/auth/verify")["user"]["id"]
    path = f"/api/settings/auth/users/{user_id}/api-keys"
    limited = server.client.post(path, json={"capabilities": ["chat:use"]}).json()["key"]

    with chat_socket(user.client) as full:
        say(full, BUSY, channel_session_key=key)
        begun = read_until(full, "text_delta")[0]
        place = f"&session_id={begun['session_id']}&run_id={begun['run_id']}&after={begun['seq']}"
        with chat_socket(user.client, query=f"?token={limited}{place}") as other:
            read_until(other, "stream_start")
            say(other, "and hurry", channel_session_key=key)
            joined_in = read_until(other, END)
            own = read_until(other, END)

    assert text_of(joined_in).endswith("never reached")
    assert (text_of(own), own[0]["session_id"]) == ("You said: and hurry", begun["session_id"])
    assert own[0]["run_id"] != begun["run_id"]
