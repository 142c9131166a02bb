"""`GET /api/instances/{id}/logs`: as events, as lines, followed, and broken off."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from tests.instances.conftest import Fleet
from tests.instances.fake_instance import FakeInstance
from tests.instances.faults import Answer, Chunks, Ending, Hang

PATH = "/api/instances/bot/logs"
PATIENCE_SECONDS = 20.0


@pytest.fixture
def bot(fleet: Fleet) -> FakeInstance:
    made = fleet.backend.add("bot", id="bot")
    for number in range(5):
        fleet.backend.say(made, f"line {number} — ü", level="warn")
    return made


def frames(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each frame; comments and the pause to reconnect are none."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def messages(text: str) -> list[str]:
    return [data["message"] for name, data in frames(text) if name == "log"]


@contextmanager
def reading(client: httpx.Client, **query: Any) -> Iterator[Iterator[str]]:
    """The lines of a stream as they come."""
    timeout = httpx.Timeout(PATIENCE_SECONDS)
    with client.stream("GET", PATH, params=query, timeout=timeout) as answer:
        assert answer.status_code == 200
        yield answer.iter_lines()


def until(lines: Iterator[str], part: str) -> str:
    return next(line for line in lines if part in line)


def test_the_last_entries_come_as_events_and_then_the_end(fleet: Fleet, bot: FakeInstance):
    answer = fleet.client.get(PATH, params={"tail": 2})

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.text.startswith(":ok\n\n")
    last = [json.loads(line) for line in bot.log[-2:]]
    assert frames(answer.text) == [("log", last[0]), ("log", last[1]), ("done", {"entries": 2})]


def test_fifty_are_asked_for_unless_it_is_said_otherwise(fleet: Fleet, bot: FakeInstance):
    fleet.client.get(PATH)

    assert fleet.backend.seen("logs")[0].query["tail"] == "50"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"tail": "0"}, "tail"),
        ({"tail": "10001"}, "tail"),
        ({"tail": "-1"}, "tail"),
        ({"tail": "all"}, "tail"),
        ({"tail": ""}, "tail"),
        ({"tail": "9" * 30}, "tail"),
        ({"follow": "yes"}, "follow"),
        ({"download": "2"}, "download"),
    ],
)
def test_a_parameter_that_is_none_is_400(fleet: Fleet, query: dict[str, str], name: str):
    answer = fleet.client.get(PATH, params=query)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{name} must be ")
    assert len(fleet.backend.requests) == 0


def test_what_comes_is_followed(fleet: Fleet, bot: FakeInstance):
    with reading(fleet.client, tail=1, follow=1) as lines:
        until(lines, "line 4")
        fleet.backend.say(bot, "something new")
        until(lines, "something new")

    assert "follow" not in fleet.backend.seen("logs")[0].query


def test_a_log_without_entries_begins_nevertheless_and_shows_that_it_lives(fleet: Fleet):
    made = fleet.backend.add("bot", id="bot")

    with reading(fleet.client, follow=1) as lines:
        until(lines, ":ok")
        until(lines, ":heartbeat")
        fleet.backend.say(made, "at last")
        until(lines, "at last")


def test_the_backend_is_left_when_the_reader_leaves(fleet: Fleet, bot: FakeInstance):
    with reading(fleet.client, follow=1) as lines:
        until(lines, "line 4")
        assert fleet.backend.followers == 1

    assert_nobody_follows(fleet)


def assert_nobody_follows(fleet: Fleet) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while fleet.backend.followers:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_head_leaves_the_backend_as_well(fleet: Fleet, bot: FakeInstance):
    answer = fleet.client.head(PATH, params={"follow": 1})

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert fleet.backend.counts["logs"] == 1
    assert_nobody_follows(fleet)


def test_a_backend_that_never_ends_its_log_is_left_after_the_tail(fleet: Fleet, bot: FakeInstance):
    fleet.backend.fail("logs", Chunks([b"again\n"], ending="repeat"))

    answer = fleet.client.get(PATH, params={"tail": 3})

    assert messages(answer.text) == ["again"] * 3
    assert frames(answer.text)[-1] == ("done", {"entries": 3})


def test_a_backend_that_falls_silent_is_left_after_a_while(fleet: Fleet, bot: FakeInstance):
    fleet.backend.knows_follow = False

    answer = fleet.client.get(PATH, params={"tail": 50})

    assert len(messages(answer.text)) == 5
    assert frames(answer.text)[-1] == ("done", {"entries": 5})


@pytest.mark.parametrize(
    ("parts", "shown", "complaint"),
    [
        ([4.0, b"late\n"], [], "the backend did not answer in time"),
        ([b"first\nhal"], ["first", "hal"], "the log fell silent within a line"),
        ([b"tick\n", 0.5] * 20, ["tick"], "the log did not end in time"),
    ],
)
def test_a_log_of_which_more_may_be_missing_says_so(
    fleet: Fleet, bot: FakeInstance, parts: list[bytes | float], shown: list[str], complaint: str
):
    fleet.backend.fail("logs", Chunks(parts, ending="open"))

    answer = fleet.client.get(PATH, params={"tail": 1000})

    assert sorted(set(messages(answer.text))) == shown
    assert f"Instance logs error: {complaint}" in answer.text
    assert "event: done" not in answer.text


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        ("end", ("done", {"entries": 2})),
        (
            "cut",
            ("error", {"error": "Instance logs error: the connection to the backend broke off"}),
        ),
        (
            "reset",
            ("error", {"error": "Instance logs error: the connection to the backend broke off"}),
        ),
    ],
)
def test_half_a_line_at_the_end_is_shown(
    fleet: Fleet, bot: FakeInstance, ending: Ending, last: tuple[str, dict[str, Any]]
):
    pieces = ["INFO gr\u00fc".encode()[:-1], "\u00fc\u00dfe\nhal".encode()[1:], b"f a line"]
    fleet.backend.fail("logs", Chunks(pieces, ending=ending))

    answer = fleet.client.get(PATH)

    assert answer.status_code == 200
    assert messages(answer.text) == ["grüße", "half a line"]
    assert frames(answer.text)[-1] == last


def test_lines_that_are_no_json_are_shown_as_text(fleet: Fleet, bot: FakeInstance):
    bot.log[:] = [b"2026-03-20T14:05:09Z ERROR bad", b"", b"{broken", b"caf\xe9"]

    answer = fleet.client.get(PATH)

    assert [data for name, data in frames(answer.text) if name == "log"] == [
        {"timestamp": 1774015509, "level": "error", "message": "bad"},
        {"timestamp": 0, "level": "info", "message": "{broken"},
        {"timestamp": 0, "level": "info", "message": "caf�"},
    ]


def test_what_is_refused_is_an_answer_and_no_stream(fleet: Fleet):
    answer = fleet.client.get(PATH, headers={"Accept": "text/event-stream"})

    said = "Instance logs error: 404 Not Found: Not found"
    assert (answer.status_code, answer.json()) == (404, {"error": said})


def test_a_backend_that_hangs_before_its_log_is_told_in_the_stream(fleet: Fleet, bot: FakeInstance):
    fleet.backend.fail("logs", Hang())

    answer = fleet.client.get(PATH)

    said = "Instance logs error: the backend did not answer in time"
    assert frames(answer.text) == [("error", {"error": said})]


def test_lines_of_json_are_a_file(fleet: Fleet, bot: FakeInstance):
    for request in ({"headers": {"Accept": "application/x-ndjson"}}, {"params": {"download": 1}}):
        answer = fleet.client.get(PATH, **request)

        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="bot.ndjson"'
        assert [json.loads(line) for line in answer.text.splitlines()] == [
            json.loads(line) for line in bot.log
        ]


def test_text_is_a_file_with_one_line_for_each_entry(fleet: Fleet, bot: FakeInstance):
    bot.log[:] = [b'{"timestamp":1774015509,"level":"wa\\nrn","message":"two\\nlines"}', b"plain"]

    answer = fleet.client.get(PATH, params={"download": 1}, headers={"Accept": "text/plain"})

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="bot.log"'
    assert answer.text == "2026-03-20T14:05:09Z WA\\nRN two\\nlines\n- INFO plain\n"


@pytest.mark.parametrize(
    ("accept", "last"),
    [
        (
            "application/x-ndjson",
            '{"error":"Instance logs error: the connection to the backend broke off"}',
        ),
        ("text/plain", "! Instance logs error: the connection to the backend broke off"),
    ],
)
def test_a_file_says_at_its_end_that_it_is_none(
    fleet: Fleet, bot: FakeInstance, accept: str, last: str
):
    fleet.backend.fail("logs", Chunks([b"first\n"], ending="cut"))

    answer = fleet.client.get(PATH, params={"download": 1}, headers={"Accept": accept})

    assert len(answer.text.splitlines()) == 2
    assert answer.text.splitlines()[-1] == last


def test_a_reader_who_may_not_read_any_more_is_told_and_left(fleet: Fleet, bot: FakeInstance):
    with fleet.as_role("viewer") as viewer, reading(viewer, follow=1) as lines:
        until(lines, "line 4")
        revoke(fleet, viewer)
        assert until(lines, "error")
        assert "the credential counts no more" in until(lines, "data: ")
        assert list(lines)[-1:] in ([], [""])


def revoke(fleet: Fleet, viewer: httpx.Client) -> None:
    users = fleet.client.get("/api/settings/auth/users").json()
    me = viewer.get("/api/auth/verify").json()["user"]["id"]
    assert me in [user["id"] for user in users]
    (key,) = fleet.client.get(f"/api/settings/auth/users/{me}/api-keys").json()
    answer = fleet.client.post(f"/api/settings/auth/api-keys/{key['id']}/revoke")
    assert answer.status_code == 200


def test_one_reader_has_twenty_logs_open_and_no_more(fleet: Fleet, bot: FakeInstance):
    with ExitStack() as stack:
        # Kept: an iterator that is thrown away closes its connection.
        kept = [stack.enter_context(reading(fleet.client, follow=1)) for _ in range(20)]
        for lines in kept:
            until(lines, "line 4")

        refused = fleet.client.get(PATH)
        with fleet.as_role("viewer") as other:
            admitted = other.get(PATH)

    assert (refused.status_code, refused.headers["X-Error-Code"]) == (429, "too_many_logs")
    assert admitted.status_code == 200
    assert_nobody_follows(fleet)
    assert fleet.client.get(PATH).status_code == 200


def test_a_log_that_was_refused_late_is_told_in_the_stream(fleet: Fleet, bot: FakeInstance):
    """Nothing came in time to know, so the response has begun."""
    fleet.backend.fail("logs", Chunks([3.5, b"first\n"], ending="cut"))

    answer = fleet.client.get(PATH, params={"follow": 1})

    assert ":heartbeat" in answer.text
    assert [name for name, _ in frames(answer.text)] == ["log", "error"]


def test_the_backends_refusal_of_a_tail_is_passed_on(fleet: Fleet, bot: FakeInstance):
    fleet.backend.fail("logs", Answer(422, {"error": "tail is too long"}))

    answer = fleet.client.get(PATH, params={"tail": 10_000})

    assert answer.status_code == 422
    assert answer.json()["error"].endswith("tail is too long")


def test_a_reader_who_does_not_read_stops_the_backend_before_much_is_in_memory(
    fleet: Fleet, bot: FakeInstance
):
    bot.log[:] = [b"x" * 60_000] * 999  # fewer entries than are read ahead
    with reading(fleet.client, tail=1000) as lines:
        until(lines, "xxx")
        until_settled = time.monotonic() + 1.5
        while fleet.backend.followers and time.monotonic() < until_settled:
            time.sleep(0.05)

        assert fleet.backend.followers == 1  # it has not been rid of its log
    assert_nobody_follows(fleet)
