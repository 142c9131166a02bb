"""The page of one run: head, badge, timeline and the event looked at."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.event_types import ToolCallFailed, UserMessageAppended
from runs.inspector.timeline import WINDOW
from runs.log.redact import redact_event
from runs.models import ExternalPayload, Run
from runs.services.artifacts import keep_artifact
from runs.services.starting import StartRequest, start_run
from tests.factories import make_user
from tests.runs.inspector.logs import (
    STARTED,
    change,
    flip_a_byte,
    long_log,
    plain_turn,
    tool_turn,
    write_run,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["inspect", "admin"])
def show(request, get, admin_client):
    """The page of a run, from each of the places where it stands."""

    def show(run, query=""):
        if request.param == "inspect":
            return get(f"/inspect/run/{run.id}{query}")
        return admin_client.get(f"/admin/runs/run/{run.id}/change/{query}")

    return show


def badge(response):
    """State and text of the chain badge."""
    found = re.search(
        r'<span class="chain ([a-z-]+)" data-part="badge"[^>]*>(.*?)</span>',
        response.content.decode(),
        re.S,
    )
    assert found
    return found[1], " ".join(re.sub(r"<[^>]+>", "", found[2]).split())


def seqs_on(response):
    return [int(seq) for seq in re.findall(r'data-seq="(\d+)"', response.content.decode())]


# Head and timeline


def test_the_head_links_to_the_artifacts(show, text_of):
    run = write_run()
    ref = keep_artifact(run.id, "", 0, "<b>.txt", "text/plain", b"hello")

    page = show(run)

    assert "artifacts <b>.txt (5 B)" in text_of(page)
    assert f'href="/v1/artifacts/{ref.artifact_id}"' in page.content.decode()


def test_the_head_says_what_the_run_is_and_came_to(show, text_of):
    person = make_user(role="operator", display_name="Ada")
    run = write_run(plain_turn(), goal="what is it?", actor=person.pk, creator=person)

    text = text_of(show(run))

    assert run.id in text
    assert "goal what is it?" in text
    assert "answer done" in text
    assert "scripted/scripted" in text
    assert "by Ada (api)" in text
    assert "events 4 turns 1 tools 0 in tok 1,227 out tok 30 cost $0.0024" in text


def test_each_event_is_a_line_that_says_what_happened(show, text_of):
    run = write_run(tool_turn())

    text = text_of(show(run))

    assert re.search(r"#0001 \d\d:\d\d:\d\d\.\d{3} RunStarted model=scripted/scripted", text)
    assert "TurnStarted turn=01TURN" in text
    assert "AssistantMessageCompleted → now $0.0024 · 1227 in / 30 out" in text
    assert "ToolCallScheduled tool=now call=c1" in text
    assert "ToolCallCompleted call=c1 ok 7ms" in text
    assert "RunCompleted turns=1 tools=1" in text


def test_lines_carry_the_colour_of_their_family(show):
    failed = ToolCallFailed("c1", "no", "tool", 1, final=True)
    page = show(write_run([*tool_turn()[:-1], failed])).content.decode()

    families = re.findall(r'<li class="event-row ([a-z]+)"', page)
    assert families == ["lifecycle", "lifecycle", "message", "tool", "tool", "terminal"]


def test_the_first_event_is_chosen_until_the_reader_chooses(show, text_of):
    run = write_run(tool_turn())

    assert re.search(r'data-event="1"', show(run).content.decode())
    chosen = show(run, "?seq=5")
    assert re.search(r'data-event="5"', chosen.content.decode())
    assert '"duration_ms" : 7' in text_of(chosen)


def test_hashes_are_there_to_be_copied(show):
    run = write_run()
    first, second = run.events.order_by("seq")[:2]

    page = show(run, "?seq=2").content.decode()

    assert f'data-copy="{bytes(second.hash).hex()}"' in page
    assert f'data-copy="{bytes(first.hash).hex()}"' in page
    assert f"{bytes(second.hash).hex()[:12]}…" in page


def test_an_unknown_run_is_404(show):
    assert show(Run(id="01NOSUCHRUN")).status_code == 404


def test_a_queued_run_has_a_page_before_it_has_a_log(show, settings, text_of):
    settings.MODEL_NAMES = ["scripted:scripted"]
    run_id = start_run(StartRequest("wait for me"), actor="test", user_id=None).run_id

    response = show(Run(id=run_id))

    assert response.status_code == 200
    assert badge(response) == ("empty", "no events yet")
    assert "queued" in text_of(response)
    assert "No events yet" in text_of(response)
    assert b"data-stream-url" in response.content


# Badge


def test_a_healthy_log_has_the_green_badge(show):
    assert badge(show(write_run(tool_turn()))) == ("valid", "✓ chain valid")


@pytest.mark.parametrize("seq", [1, 3, 6])
def test_one_flipped_byte_turns_the_badge_red_and_says_where(show, seq):
    run = write_run(tool_turn())

    flip_a_byte(run, seq)

    state, text = badge(show(run))
    assert state == "invalid"
    assert text == f"✗ chain invalid hash_mismatch at seq {seq}"


def test_a_run_in_progress_is_not_called_invalid(show):
    assert badge(show(write_run(plain_turn(), end=""))) == (
        "in-progress",
        "in progress, chain ok so far",
    )


def test_a_run_in_progress_with_a_flipped_byte_is(show):
    run = write_run(plain_turn(), end="")

    flip_a_byte(run, 2)

    assert badge(show(run))[0] == "invalid"


def test_a_long_log_is_checked_when_somebody_asks(show):
    run = write_run()
    Run.objects.filter(pk=run.pk).update(head_seq=10_001)

    state, text = badge(show(run))
    assert state == "unchecked"
    assert "more than 10,000 events" in text
    assert badge(show(run, "?validate=1"))[0] == "invalid"  # the row promises more than there is


@pytest.mark.parametrize(
    ("column", "value"),
    [("payload", b"\xff\xff"), ("payload", b"\x01"), ("kind", 99), ("ts", -5), ("payload", None)],
)
def test_a_log_that_was_mangled_can_still_be_looked_at(show, column, value):
    run = write_run(tool_turn())

    change(run, 5, column, value)

    response = show(run, "?seq=5")
    assert response.status_code == 200
    assert badge(response)[0] == "invalid"


# Payloads


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def test_what_tools_and_people_wrote_is_text_and_not_markup(show):
    run = write_run(
        tool_turn(args={HOSTILE: HOSTILE}, result={"page": HOSTILE}), goal=HOSTILE, actor=HOSTILE
    )

    for seq in range(1, 7):
        page = show(run, f"?seq={seq}").content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page


def test_a_call_id_cannot_leave_its_attribute(show):
    hostile = '"><script>alert(1)</script>'
    page = show(
        write_run([STARTED, ToolCallFailed(hostile, "no", "tool", 1)]), "?seq=2"
    ).content.decode()

    assert "<script>alert" not in page
    assert 'data-call="&quot;&gt;&lt;script&gt;' in page


def test_a_redacted_event_says_who_took_it_out_and_why(show, text_of):
    person = make_user(role="admin", display_name="Grace")
    run = write_run(plain_turn("a person's address"))
    redact_event(run_id=run.id, seq=3, actor=person.pk, reason="a person <asked> for it")

    response = show(run, "?seq=3")

    text = text_of(response)
    assert "Redacted by Grace on" in text
    assert "a person <asked> for it" in text
    assert "AssistantMessageCompleted redacted: a person <asked> for it" in text
    assert "<asked>" not in response.content.decode()
    assert badge(response) == ("valid", "✓ chain valid")


def test_a_payload_that_vanished_without_a_record_is_named_missing(show, text_of):
    run = write_run()
    change(run, 3, "payload", None)

    response = show(run, "?seq=3")

    assert "The payload is missing" in text_of(response)
    assert badge(response)[0] == "invalid"


def test_a_large_payload_is_cut_and_the_whole_is_a_link_away(show, get, text_of):
    text = "0123456789" * 5_000
    run = write_run(plain_turn(text))

    response = show(run, "?seq=3")

    assert len(response.content) < 110_000
    assert "The beginning of" in text_of(response)
    whole = get(f"/inspect/run/{run.id}/event/3/json")
    assert whole.headers["Content-Type"] == "application/json"
    assert json.loads(whole.content)["text"] == text


def test_a_payload_outside_the_database_is_fetched_only_when_chosen(show, get, text_of):
    text = "0123456789" * 20_000
    run = write_run(plain_turn(text))
    assert ExternalPayload.objects.filter(run_id=run.id, seq=3).exists()

    assert "AssistantMessageCompleted 195 KiB of payload" in text_of(show(run))
    assert "0123456789" in text_of(show(run, "?seq=3"))
    assert json.loads(get(f"/inspect/run/{run.id}/event/3/json").content)["text"] == text


# Windows


def test_a_long_log_is_shown_a_window_at_a_time(show):
    run = write_run(long_log(2 * WINDOW + 50))

    first, second = show(run), show(run, f"?after={WINDOW}")
    last = show(run, f"?after={2 * WINDOW}")

    assert seqs_on(first) == list(range(1, WINDOW + 1))
    assert seqs_on(second) == list(range(WINDOW + 1, 2 * WINDOW + 1))
    assert seqs_on(last) == list(range(2 * WINDOW + 1, 2 * WINDOW + 52))
    assert f'href="?after={WINDOW}"' in first.content.decode()
    assert 'rel="next"' not in last.content.decode()


def test_the_address_of_an_event_opens_its_window(show):
    run = write_run(long_log(WINDOW + 20))

    response = show(run, f"?seq={WINDOW + 5}")

    assert WINDOW + 5 in seqs_on(response)
    assert f'data-event="{WINDOW + 5}"' in response.content.decode()


def test_a_run_in_progress_opens_at_its_end_and_goes_on_from_there(show):
    run = write_run(long_log(WINDOW + 20), end="")

    response = show(run)

    assert seqs_on(response)[-1] == WINDOW + 20
    assert f'data-stream-url="/api/v1/runs/{run.id}/stream"' in response.content.decode()
    assert "data-stream-url" not in show(run, "?after=0").content.decode()


def test_a_finished_run_is_not_live(show):
    page = show(write_run()).content.decode()

    assert "data-stream-url" not in page
    assert "data-live hidden" in page


def test_a_window_costs_the_same_number_of_queries_however_many_events(get):
    short, long = write_run(long_log(3)), write_run(long_log(150))

    def queries(run):
        with CaptureQueriesContext(connection) as captured:
            get(f"/inspect/run/{run.id}")
        return len(captured)

    queries(short)
    assert queries(long) == queries(short)


# Fragments


@pytest.mark.parametrize("seq", ["0", "99", "-1", "x", "99999999999999999999"])
def test_an_event_that_is_not_there_is_404(get, seq):
    run = write_run()

    assert get(f"/inspect/run/{run.id}/event/{seq}").status_code == 404
    assert get(f"/inspect/run/{run.id}/event/{seq}/json").status_code == 404


def test_the_fragment_of_an_event_is_what_the_page_shows(get):
    run = write_run()

    fragment = get(f"/inspect/run/{run.id}/event/2").content.decode().strip()

    assert fragment.startswith("<article")
    assert fragment in get(f"/inspect/run/{run.id}?seq=2").content.decode()


def test_a_payload_without_json_form_is_404_and_not_an_error(get):
    run = write_run()
    change(run, 2, "payload", b"\xff")

    assert get(f"/inspect/run/{run.id}/event/2/json").status_code == 404


def test_the_live_fragment_holds_what_is_new(get, text_of):
    run = write_run([*plain_turn(), UserMessageAppended("and then?")], end="")

    response = get(f"/inspect/run/{run.id}/live?after=2")

    assert seqs_on(response) == [3, 4]
    assert "events 4" in text_of(response)
    assert "data-finished" not in response.content.decode()
    assert 'data-part="badge"' not in response.content.decode()


def test_the_live_fragment_at_the_end_brings_the_badge(get):
    run = write_run()

    response = get(f"/inspect/run/{run.id}/live?after=3")

    assert seqs_on(response) == [4]
    assert "data-finished" in response.content.decode()
    assert badge(response) == ("valid", "✓ chain valid")


def test_a_burst_of_events_comes_in_portions(get):
    run = write_run(long_log(WINDOW + 10))

    first = get(f"/inspect/run/{run.id}/live?after=0")

    assert seqs_on(first)[-1] == WINDOW
    assert "data-more" in first.content.decode()
    rest = get(f"/inspect/run/{run.id}/live?after={WINDOW}")
    assert seqs_on(rest)[-1] == WINDOW + 11
    assert "data-more" not in rest.content.decode()
