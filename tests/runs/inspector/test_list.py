"""The list of runs: what it shows, finds and adds up, and that its cost does not grow."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from project.lib.clock import now_ns
from runs.services.starting import StartRequest, start_run
from tests.runs.inspector.logs import plain_turn, tool_turn, write_run

pytestmark = pytest.mark.django_db

HOUR_NS = 3600 * 1_000_000_000


def ids_on(response):
    return re.findall(r'data-run="([^"]+)"', response.content.decode())


def link(response, direction):
    found = re.search(rf'<a rel="{direction}" href="([^"]+)"', response.content.decode())
    return found and "/inspect/" + found[1].replace("&amp;", "&")


def test_it_shows_a_run_with_its_totals(get, text_of):
    run = write_run(tool_turn(), goal="find the answer")

    text = text_of(get("/inspect/"))

    assert run.id in text
    assert "find the answer" in text
    assert "6 1 1 1227 30 $0.0024" in text
    assert "completed" in text


def test_newest_runs_come_first(get):
    old = write_run(started_ns=now_ns() - 2 * HOUR_NS)
    new = write_run(started_ns=now_ns())
    middle = write_run(started_ns=now_ns() - HOUR_NS)

    assert ids_on(get("/inspect/")) == [new.id, middle.id, old.id]


def test_each_tab_shows_the_runs_of_its_status(get, settings):
    settings.MODEL_NAMES = ["scripted:scripted"]
    done, failed = write_run(), write_run(end="failed")
    cancelled, going = write_run(end="cancelled"), write_run(end="")
    waiting = start_run(StartRequest("wait"), actor="test", user_id=None).run_id

    assert ids_on(get("/inspect/?status=completed")) == [done.id]
    assert ids_on(get("/inspect/?status=failed")) == [failed.id]
    assert ids_on(get("/inspect/?status=cancelled")) == [cancelled.id]
    assert ids_on(get("/inspect/?status=in+progress")) == [going.id]
    assert ids_on(get("/inspect/?status=queued")) == [waiting]
    assert set(ids_on(get("/inspect/"))) == {done.id, failed.id, cancelled.id, going.id}
    assert "queued 1" in get("/inspect/").content.decode()


@pytest.mark.parametrize("text", ["WEATHER", "said <no>", "ÜBER"])
def test_it_finds_runs_by_goal_and_error_in_any_letters_case(get, text):
    wanted = write_run(goal="the weather über all", end="failed")
    write_run(goal="something else")

    if text == "said <no>":
        write_run(goal="fine")
    assert ids_on(get(f"/inspect/?q={text}")) == [wanted.id]


def test_it_finds_a_run_by_a_part_of_its_id(get):
    run = write_run(started_ns=now_ns())
    write_run()

    assert ids_on(get(f"/inspect/?q={run.id[-9:].lower()}")) == [run.id]


def test_percent_and_underscore_are_just_characters(get):
    run = write_run(goal="100% sure_thing")
    write_run(goal="1000 sure things")

    assert ids_on(get("/inspect/?q=100%25+sure_")) == [run.id]


def test_the_chips_narrow_the_list_and_stay_when_the_tab_changes(get):
    with_tools = write_run(tool_turn())
    plain = write_run(plain_turn())
    old = write_run(tool_turn(), started_ns=now_ns() - 2 * HOUR_NS)

    assert set(ids_on(get("/inspect/?tools=1"))) == {with_tools.id, old.id}
    assert set(ids_on(get("/inspect/?recent=1"))) == {with_tools.id, plain.id}
    both = get("/inspect/?tools=1&recent=1&q=goal")
    assert ids_on(both) == [with_tools.id]
    assert b"?status=failed&amp;q=goal&amp;tools=1&amp;recent=1" in both.content


@pytest.mark.parametrize("status", ["", "in+progress"])
def test_pages_follow_each_other_without_gap_or_repetition(get, status):
    # All at one moment: the order of ids must carry the pages, too.
    at = now_ns()
    runs = {write_run(end="", started_ns=at - number // 3).id for number in range(11)}

    seen, pages, response = [], [], get(f"/inspect/?status={status}&per_page=4")
    while True:
        pages.append(ids_on(response))
        seen += pages[-1]
        older = link(response, "next")
        if older is None:
            break
        response = get(older)

    assert len(seen) == len(runs)
    assert set(seen) == runs
    back = get(link(response, "prev"))
    assert ids_on(back) == pages[-2]
    first = get(link(back, "prev"))
    assert ids_on(first) == pages[0]


def test_the_first_page_has_nothing_newer(get):
    for _ in range(3):
        write_run()

    response = get("/inspect/?per_page=2")

    assert link(response, "prev") is None
    assert link(get(link(response, "next")), "next") is None


def test_going_back_past_the_top_shows_a_full_first_page(get):
    runs = [write_run(started_ns=now_ns() + number) for number in range(4)]

    response = get(f"/inspect/?per_page=3&newer={runs[2].started_ns}~{runs[2].id}")

    assert ids_on(response) == [runs[3].id, runs[2].id, runs[1].id]


@pytest.mark.parametrize(
    "query", ["older=nonsense", "newer=1", "per_page=-3", "per_page=999999", "status=%00", "q=%00x"]
)
def test_nonsense_in_the_address_is_no_error(get, query):
    write_run()

    assert get(f"/inspect/?{query}").status_code == 200


def test_the_totals_are_those_of_the_page(get, text_of):
    for _ in range(3):
        write_run(tool_turn())

    assert "runs 2 turns 2 tool calls 2 input tok 2,454 output tok 60 cost $0.0048" in text_of(
        get("/inspect/?per_page=2")
    )


def test_an_unknown_price_is_not_invented(get, text_of):
    unpriced = write_run()
    type(unpriced).objects.filter(pk=unpriced.pk).update(provider_id="homemade", cost_usd=0)

    assert "unknown" in text_of(get("/inspect/"))


def test_it_says_what_is_missing(get, text_of):
    assert "No runs yet" in text_of(get("/inspect/"))
    assert "No run is failed" in text_of(get("/inspect/?status=failed"))
    assert "No run matches" in text_of(get("/inspect/?q=nothing"))


def test_a_goal_is_text_and_not_markup(get):
    write_run(goal="<script>alert('goal')</script>", end="failed")

    page = get("/inspect/").content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#x27;goal&#x27;)" in page
    assert "said &lt;no&gt;" in page


def test_a_search_is_text_and_not_markup(get):
    page = get("/inspect/?q=%22%3E%3Cscript%3Ex").content.decode()

    assert "<script>x" not in page


@pytest.mark.parametrize("place", ["inspect", "admin"])
@pytest.mark.parametrize("query", ["", "?status=in+progress", "?status=failed&q=goal"])
def test_runs_are_never_counted_and_a_page_costs_the_same_however_many(
    get, admin_client, place, query
):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            path = f"/inspect/{query}" if place == "inspect" else f"/admin/runs/run/{query}"
            response = get(path) if place == "inspect" else admin_client.get(path)
            assert response.status_code == 200
        return [entry["sql"] for entry in captured if "runs_run" in entry["sql"]]

    write_run(end="failed")
    queries()
    few = queries()
    for _ in range(8):
        write_run(end="failed")
    many = queries()

    assert len(many) == len(few)
    counts = [sql for sql in many if "COUNT(" in sql.upper()]
    assert all("pending" in sql for sql in counts), counts  # the bounded queue


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's query plan")
@pytest.mark.parametrize("status", ["", "failed", "in+progress"])
def test_a_page_walks_an_index_and_sorts_nothing(get, status):
    runs = [write_run(end="failed") for _ in range(3)]
    cursor = f"{runs[1].started_ns}~{runs[1].id}"

    with CaptureQueriesContext(connection) as captured:
        get(f"/inspect/?status={status}&older={cursor}")

    asked = [entry["sql"] for entry in captured if "runs_run" in entry["sql"]]
    walks = [sql for sql in asked if "ORDER BY" in sql]
    assert walks
    with connection.cursor() as database:
        for sql in walks:
            database.execute("EXPLAIN QUERY PLAN " + sql)
            plan = " ".join(str(row[3]) for row in database.fetchall())
            assert "TEMP B-TREE" not in plan, sql
            assert "USING INDEX run_newest" in plan or "COVERING INDEX run_newest" in plan, plan
