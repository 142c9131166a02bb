"""The fleet page: who is up, stale, restarting, and why."""

import re
from xml.etree import ElementTree

import pytest
from django.test import Client

from accounts.services.api_keys import issue_key
from instances.models import HealthSample, Instance
from tests.factories import make_key, make_user
from tests.instances.conftest import KEY
from tests.instances.faults import Answer
from tests.instances.pages.rows import (
    Cause,
    ago,
    make_attempt,
    make_change,
    make_instance,
    make_samples,
    make_stale,
)

pytestmark = pytest.mark.django_db

PAGE = "/admin/fleet/"
LIVE = "/admin/fleet/live/"
HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture(autouse=True)
def _a_backend(settings):
    settings.STARPORT_INSTANCE_BACKEND_URL = "http://127.0.0.1:9"
    settings.STARPORT_INSTANCE_API_KEY = KEY


def group_of(response, instance_id):
    """In which section of the page it stands."""
    page = response.content.decode()
    for name, section in re.findall(r'<section class="group ([\w-]+)"(.*?)</section>', page, re.S):
        if f'data-instance="{instance_id}"' in section:
            return name
    return ""


def row_of(response, instance_id):
    found = re.search(
        rf'<tr data-instance="{instance_id}">.*?</tr>', response.content.decode(), re.S
    )
    assert found is not None
    return found[0]


@pytest.mark.parametrize("status", ["creating", "running", "paused", "error", "stopped"])
def test_an_instance_stands_under_its_status(admin_client, status):
    make_instance("one", status=status)

    assert group_of(admin_client.get(PAGE), "one") == status


def test_what_is_silent_is_stale_until_the_monitor_restarts_it(admin_client):
    row = make_stale("silent")
    before = group_of(admin_client.get(PAGE), "silent")
    make_attempt(row, seconds_ago=10)

    response = admin_client.get(PAGE)

    assert before == "stale"
    assert group_of(response, "silent") == "restarting"
    assert "1 of 3" in row_of(response, "silent")
    assert "no heartbeat for 120 s" in row_of(response, "silent")


def test_a_restart_before_it_fell_silent_again_is_not_under_way(admin_client):
    row = make_stale("silent", stale_since=ago(30))
    make_attempt(row, seconds_ago=600)

    response = admin_client.get(PAGE)

    assert group_of(response, "silent") == "stale"
    assert "1 of 3" in row_of(response, "silent")


def test_attempts_of_more_than_an_hour_ago_do_not_count(admin_client):
    make_attempt(make_stale("silent"), seconds_ago=3700)

    assert " of 3" not in row_of(admin_client.get(PAGE), "silent")


def test_what_was_restarted_in_vain_comes_first(admin_client):
    make_instance("fine")
    row = make_stale("hopeless", given_up_at=ago(5), why="given up after 3 restarts")
    make_attempt(row, seconds_ago=10)

    response = admin_client.get(PAGE)

    page = response.content.decode()
    assert group_of(response, "hopeless") == "given-up"
    assert page.index('data-instance="hopeless"') < page.index('data-instance="fine"')


def test_what_runs_and_cannot_be_measured_is_not_shown_as_well(admin_client, text_of):
    make_instance("lost", beat=1000, status_since=ago(5000))
    make_samples(make_instance("odd-clock", beat=-5000, status_since=ago(5000)), count=1)
    make_samples(make_instance("fine", beat=1000, status_since=ago(5000)), count=2)
    make_instance("begins", beat=1000)

    response = admin_client.get(PAGE)

    assert group_of(response, "lost") == "not-measured"
    assert re.search(r"not measured since \d{4}-.*, 16 min ago", row_of(response, "lost"))
    assert {group_of(response, name) for name in ("odd-clock", "fine", "begins")} == {"running"}
    assert "not measured 1" in text_of(response)
    page = admin_client.get("/admin/fleet/instances/lost/")
    assert "lost not measured" in text_of(page)


def test_a_clock_that_goes_ahead_hides_nothing(admin_client):
    row = make_instance("odd-clock", beat=-5000, status_since=ago(5000))
    make_samples(row, count=1)
    HealthSample.objects.update(at=ago(1000))

    assert group_of(admin_client.get(PAGE), "odd-clock") == "not-measured"


def test_the_summary_counts_them_all(admin_client, text_of):
    for number in range(3):
        make_instance(f"up-{number}")
    make_stale("silent")
    make_instance("suspended", status="paused")
    make_instance("gone", status="stopped", is_listed=False)

    text = text_of(admin_client.get(PAGE))

    assert "stale 1 restarting 0 error 0 running 3 paused 1 stopped 1" in text


def test_why_names_who_gave_the_command(admin_client, text_of):
    row = make_instance("suspended", status="paused")
    make_change(row, Cause.APPEARED, at=ago(60))
    make_change(row, Cause.COMMAND, actor=make_user(display_name="Olga").pk)

    assert "by Olga" in row_of(admin_client.get(PAGE), "suspended")


def test_a_heartbeat_is_late_only_where_one_is_expected(admin_client):
    make_stale("silent")
    make_instance("suspended", status="paused", beat=5000)

    response = admin_client.get(PAGE)

    assert "late" in row_of(response, "silent")
    assert "late" not in row_of(response, "suspended")


def test_the_load_is_drawn_and_told_in_words(admin_client):
    make_samples(make_instance("busy"), count=120)
    make_instance("new")

    response = admin_client.get(PAGE)

    [drawing] = re.findall(r"<svg.*?</svg>", row_of(response, "busy"), re.S)
    svg = ElementTree.fromstring(drawing)  # noqa: S314 - our own
    [line] = svg.findall("polyline")
    assert 25 <= len(line.attrib["points"].split()) <= 30  # of 120 samples
    assert svg.findtext("title") == "CPU, the last hour"
    assert re.fullmatch(
        r"latest \d+\.\d %, lowest \d\.\d %, highest \d+\.\d %", svg.findtext("desc", "")
    )
    names = svg.attrib["aria-labelledby"].split()
    assert names == [child.attrib["id"] for child in svg if "id" in child.attrib]
    assert "nothing was measured" in row_of(response, "new")


def test_nothing_that_a_backend_says_becomes_markup(admin_client):
    make_stale("hostile", name=HOSTILE, region=HOSTILE, why=HOSTILE)

    for path in (PAGE, LIVE, "/admin/fleet/instances/hostile/", "/admin/instances/instance/"):
        page = admin_client.get(path).content.decode()
        assert HOSTILE not in page
        assert "&lt;img src=x" in page


def test_an_id_that_no_address_can_have_leads_nowhere(admin_client):
    make_instance("../../users", name="odd")

    response = admin_client.get(PAGE)

    assert response.status_code == 200
    assert "odd" in response.content.decode()
    assert "href" not in row_of(response, re.escape("../../users"))


def test_a_backend_that_has_said_nothing_for_long_is_told(admin_client, text_of):
    make_instance("one", last_seen_at=ago(20))
    well = text_of(admin_client.get(PAGE))
    Instance.objects.update(last_seen_at=ago(900))

    silent = text_of(admin_client.get(PAGE))

    assert "The backend answered 20 s ago" in well
    assert "The backend cannot be reached, or nobody asks it. What follows is from 15 min" in silent


def test_without_a_backend_the_page_says_how_to_get_one(admin_client, text_of, settings):
    settings.STARPORT_INSTANCE_BACKEND_URL = ""

    text = text_of(admin_client.get(PAGE))

    assert "STARPOD_INSTANCE_BACKEND_URL" in text
    assert "STARPORT_INSTANCE_BACKEND=local" in text
    assert "New instance" not in text


def test_the_sidebar_leads_there_only_when_there_is_something_to_see(
    admin_client, text_of, settings
):
    elsewhere = "/admin/accounts/user/"
    with_backend = admin_client.get(elsewhere).content.decode()
    settings.STARPORT_INSTANCE_BACKEND_URL = ""
    without = admin_client.get(elsewhere).content.decode()
    make_stale("silent")

    with_rows = admin_client.get(elsewhere)

    link = 'href="/admin/fleet/"'
    assert link in with_backend
    assert link not in without
    assert "/admin/instances/" not in without
    assert link in with_rows.content.decode()
    assert "Fleet 1" in text_of(with_rows)


def test_the_fragment_is_what_the_page_shows(admin_client):
    make_stale("silent")
    make_instance("fine")

    page, fragment = admin_client.get(PAGE), admin_client.get(LIVE)

    for part in ("summary", "backend", "groups"):
        assert f'data-part="{part}"' in fragment.content.decode()
    assert row_of(fragment, "silent") == row_of(page, "silent")
    assert "no-store" in fragment.headers["Cache-Control"]
    assert "<html" not in fragment.content.decode()


def test_a_large_fleet_costs_no_query_more_than_a_small_one(
    admin_client, django_assert_max_num_queries
):
    for number in range(60):
        row = make_instance(f"up-{number}") if number % 2 else make_stale(f"silent-{number}")
        make_change(row, Cause.COMMAND, actor=f"actor-{number}")
        make_attempt(row, seconds_ago=5)

    with django_assert_max_num_queries(22):
        response = admin_client.get(LIVE)

    assert response.content.count(b"data-instance=") == 60


def test_of_very_many_the_page_shows_some_and_counts_all(admin_client, text_of):
    for number in range(103):
        make_instance(f"up-{number}")

    response = admin_client.get(PAGE)

    assert response.content.count(b"data-instance=") == 100
    assert "and 3 more" in text_of(response)
    assert "running 103" in text_of(response)


def test_whoever_may_read_instances_looks_and_cannot_act(viewer_client, text_of):
    make_instance("one")

    page = viewer_client.get(PAGE)

    assert page.status_code == 200
    assert "Log out" in text_of(page)
    assert 'data-instance="one"' in page.content.decode()
    assert "New instance" not in page.content.decode()
    assert "/admin/accounts/" not in page.content.decode()  # the admin's sidebar
    for path in ("create/", "instances/one/kill/", "instances/one/pause/"):
        assert viewer_client.post(PAGE + path).status_code == 403
    assert Instance.objects.get().status == "running"


def test_a_user_may_look_and_a_scraper_may_not():
    client = Client()
    client.force_login(make_user(role="user"))
    allowed = client.get(PAGE)
    client.force_login(make_user(role="scraper"))

    assert allowed.status_code == 200
    assert client.get(PAGE).status_code == 403
    assert client.get(LIVE).status_code == 403


def test_who_is_unknown_logs_in_first(client):
    make_user(role="admin")

    answer = client.get(PAGE)

    assert answer.headers["Location"] == "/login?next=/admin/fleet/"
    assert client.post(f"{PAGE}look/").status_code in (401, 403)


def test_a_key_opens_the_pages_without_a_login(client):
    make_instance("one")
    headers = {"X-API-Key": make_key(role="viewer").secret}

    for path in (PAGE, f"{PAGE}instances/one/", LIVE):
        assert client.get(path, headers=headers).status_code == 200


def test_a_limited_key_of_an_admin_is_limited_here_too(admin_client, admin):
    make_instance("one")
    key = issue_key(user_id=admin.pk, actor="test", limited_to=["instances:read"])
    headers = {"X-API-Key": key.secret}

    page = admin_client.get(PAGE, headers=headers)

    assert page.status_code == 200
    assert "New instance" not in page.content.decode()
    assert admin_client.post(f"{PAGE}create/", headers=headers).status_code == 403


def test_pages_run_nothing_inline(admin_client):
    make_samples(make_instance("one"), count=10)

    for path in (PAGE, "/admin/fleet/instances/one/"):
        page = admin_client.get(path)
        main = page.content.decode().split('class="inspector instances"', 1)[1]
        assert "style=" not in main
        assert not re.search(r"\son\w+=", main)
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.django_db(transaction=True)
def test_the_backend_can_be_asked_now(admin_client, text_of, configured):
    configured.add(name="found", id="inst-9")

    text = text_of(admin_client.post(f"{PAGE}look/", follow=True))

    assert "The backend has 1 instance." in text
    assert Instance.objects.get().name == "found"


@pytest.mark.django_db(transaction=True)
def test_a_backend_that_refuses_is_a_message(admin_client, text_of, configured):
    configured.fail("*", Answer(500, b"secret stack trace"))

    text = text_of(admin_client.post(f"{PAGE}look/", follow=True))

    assert "The backend was asked in vain" in text
    assert not Instance.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_instance_is_created_by_the_form(admin_client, text_of, admin, configured):
    form = {"name": "my bot", "region": ""}

    response = admin_client.post(f"{PAGE}create/", form, follow=True)

    row = Instance.objects.get()
    assert (row.name, row.status) == ("my bot", "creating")
    assert row.changes.get().actor == admin.pk
    assert "Created my bot." in text_of(response)


@pytest.mark.django_db(transaction=True)
def test_what_could_not_be_created_stays_in_the_form(admin_client, text_of, configured):
    configured.fail("create", Answer(422, {"error": "no such region"}))

    response = admin_client.post(f"{PAGE}create/", {"name": "my bot", "region": "moon"})

    assert "Not created" in text_of(response)
    assert 'value="moon"' in response.content.decode()
    assert not Instance.objects.exists()


def test_a_wrong_key_beside_a_login_is_refused_and_not_sent_to_log_in(admin_client):
    answer = admin_client.get(PAGE, headers={"X-API-Key": "sp_live_" + "0" * 40})

    assert answer.status_code == 401
