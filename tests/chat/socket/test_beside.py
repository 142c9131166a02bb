"""What happens beside an answer: other sockets, news of jobs, changed settings, lost rights."""

from websockets.sync.client import ClientConnection

from chat.notifications import PREVIEW_BYTES
from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.socket.client import END, ask, chat_socket, receive, say, send, text_of
from tests.chat.socket.test_attachments import noted, upload
from tests.chat.stored_settings import stored_settings
from tests.runs.graph_api.sockets import Frame, read_all, read_until
from tests.server import RunningServer

HOURLY = {"kind": "interval", "every_ms": 3_600_000}
FOR_EVER = "!say working\n!sleep 600"
TWO_TURNS = '!tool now {}\n!turn\n!tool calculate {"expression": "6*7"}\n!turn\n!say through'


def run_job(user: Gateway, prompt: str) -> str:
    """Make a job and start it; its name."""
    name = new_key()
    body = {"name": name, "prompt": prompt, "schedule": HOURLY, "max_retries": 0}
    made = user.client.post("/api/cron/jobs", json=body)
    assert made.status_code == 201, made.text
    started = user.client.post(f"/api/cron/jobs/{made.json()['id']}/run")
    assert started.status_code == 202, started.text
    return name


def test_an_answer_goes_to_the_socket_that_asked_alone(as_role: AsRole):
    user = as_role("user")

    with chat_socket(user.client) as asking, chat_socket(user.client) as other:
        ask(asking, "hello")
        other.send("{")
        first = receive(other)

    assert first["type"] == "error"


def test_what_was_said_is_in_the_transcript_when_the_stream_begins(as_role: AsRole):
    user = as_role("user")

    with chat_socket(user.client) as socket:
        say(socket, FOR_EVER)
        session_id = receive(socket)["session_id"]
        rows = user.get(f"/api/sessions/{session_id}/messages")
        send(socket, {"type": "stop"})
        read_until(socket, END)

    assert [(row["role"], row["content"]) for row in rows][:1] == [("user", FOR_EVER)]


def test_news_of_a_job_come_inside_a_stream_and_its_session_is_unread(as_role: AsRole):
    user = as_role("user")

    with chat_socket(user.client) as socket:
        say(socket, FOR_EVER)
        read_until(socket, "text_delta")
        name = run_job(user, "!repeat 200 words")
        news = read_until(socket, "notification")[-1]
        send(socket, {"type": "stop"})
        ended = read_until(socket, END)[-1]

    session = user.get(f"/api/sessions/{news['session_id']}")
    assert news == {
        "type": "notification",
        "job_name": name,
        "session_id": session["id"],
        "result_preview": ("words " * 200)[:PREVIEW_BYTES] + "...",
        "success": True,
    }
    assert (session["is_read"], session["triggered_by"]) == (False, name)
    assert ended["cancelled"] is True


def test_news_of_a_failure_lead_to_no_session(as_role: AsRole):
    user = as_role("user")

    with chat_socket(user.client) as socket:
        socket.send("{")
        receive(socket)  # it listens from here on
        name = run_job(user, "!fail auth")
        news = receive(socket)

    assert (news["job_name"], news["session_id"], news["success"]) == (name, "", False)
    assert "auth" in news["result_preview"]


def test_how_follow_ups_are_taken_changes_in_a_socket_that_is_open(
    gateway: Gateway, server: RunningServer
):
    key = new_key()

    with chat_socket(gateway.client) as socket:
        ask(socket, "hello", channel_session_key=key)
        with stored_settings(server, "general", followup_mode="queue"):
            first, second = _say_two(socket, key)

    assert text_of(first) == "workingdone"
    assert text_of(second).startswith("You said: two\n\nthree")
    assert first[-1]["run_id"] != second[-1]["run_id"]


def test_files_of_messages_that_waited_are_kept_with_them(gateway: Gateway, server: RunningServer):
    files = [upload("one.txt", b"1"), upload("two.txt", b"2")]

    with (
        stored_settings(server, "general", followup_mode="queue"),
        chat_socket(gateway.client) as socket,
    ):
        _, second = _say_two(socket, new_key(), *files)

    paths = noted(text_of(second))
    assert [path.rpartition("_")[2] for path in paths] == ["one.txt", "two.txt"]


def test_messages_that_waited_are_kept_though_their_run_fails(
    gateway: Gateway, server: RunningServer
):
    key = new_key()

    with (
        stored_settings(server, "general", followup_mode="queue"),
        chat_socket(gateway.client) as socket,
    ):
        _, second = _say_two(socket, key, texts=("!fail auth", "three"))
        after = ask(socket, "four", channel_session_key=key)

    rows = gateway.get(f"/api/sessions/{second[0]['session_id']}/messages")
    assert second[-1]["is_error"] is True
    assert "!fail auth\n\nthree" in [row["content"] for row in rows if row["role"] == "user"]
    assert text_of(after) == "You said: four"


def _say_two(
    socket: ClientConnection,
    key: str,
    *files: dict[str, str],
    texts: tuple[str, str] = ("two", "three"),
) -> tuple[list[Frame], list[Frame]]:
    """Two messages during an answer: the frames of that, and those that follow."""
    attached = [[file] for file in files] or [[], []]
    say(socket, "!say working\n!sleep 1\n!tool now {}\n!turn\n!say done", channel_session_key=key)
    begun = read_until(socket, "text_delta")
    for text, some in zip(texts, attached, strict=True):
        say(socket, text, channel_session_key=key, attachments=some)
    return begun + read_until(socket, END), read_until(socket, END)


def test_a_run_that_reaches_its_turns_is_an_error_without_text(
    gateway: Gateway, server: RunningServer
):
    with (
        stored_settings(server, "general", max_turns=1),
        chat_socket(gateway.client) as socket,
    ):
        ended = ask(socket, TWO_TURNS)[-1]

    assert ended["is_error"] is True
    assert "errors" not in ended


def test_a_run_keeps_the_settings_that_it_began_with(gateway: Gateway, server: RunningServer):
    with chat_socket(gateway.client) as socket:
        say(socket, f"!say working\n!sleep 3\n{TWO_TURNS}")
        read_until(socket, "text_delta")
        with stored_settings(server, "general", max_turns=1):
            frames = read_until(socket, END)

    assert frames[-1]["is_error"] is False
    assert text_of(frames).endswith("through")


def test_a_long_result_is_cut_on_the_socket_as_in_the_transcript(
    gateway: Gateway, server: RunningServer
):
    files = server.data_dir / "files"
    files.mkdir(exist_ok=True)
    (files / "very-long.txt").write_text("x" * 2_000)

    with chat_socket(gateway.client) as socket:
        frames = ask(socket, '!tool read_file {"path": "very-long.txt"}\n!turn\n!say Long.')

    [result] = [frame for frame in frames if frame["type"] == "tool_result"]
    assert len(result["content"]) == 503
    assert result["content"].endswith("x...")


def test_whoever_is_deactivated_loses_their_sockets(as_role: AsRole, server: RunningServer):
    user = as_role("user")
    user_id = user.get("/api/auth/verify")["user"]["id"]

    with chat_socket(user.client) as socket:
        ask(socket, "hello")
        server.client.post(f"/api/settings/auth/users/{user_id}/deactivate")
        _, (code, _) = read_all(socket)

    assert code == 4401
