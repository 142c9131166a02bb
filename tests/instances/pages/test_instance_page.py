"""The page of one instance: facts, history, health, log, and what can be done with it."""

import re

import pytest
from django.test import Client

from instances.models import Instance
from tests.factories import make_user
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

PAGE = "/admin/fleet/instances/inst-1/"


@pytest.fixture(autouse=True)
def _a_backend(settings):
    settings.STARPORT_INSTANCE_BACKEND_URL = "http://127.0.0.1:9"


def test_the_page_tells_how_it_is_and_how_it_came_to_that(admin_client, text_of):
    row = make_stale("inst-1", name="my bot", region="eu-west")
    make_change(row, Cause.COMMAND, at=ago(900), actor=make_user(display_name="Olga").pk)
    make_change(row, Cause.STALE, previous="running", actor="instances.monitor")
    make_attempt(row, seconds_ago=1, error="interrupted")
    make_attempt(row, seconds_ago=5, error="the backend was busy")
    make_attempt(row, seconds_ago=4000)

    text = text_of(admin_client.get(PAGE))

    assert "my bot restarting" in text
    assert "No heartbeat for 120 s, since" in text
    assert "region eu-west" in text
    assert "restarts in the hour 2 of 3" in text
    assert text.index("stale instances.monitor") < text.index("command Olga")
    assert "under way or interrupted" in text
    assert text.index("failed the backend was busy") < text.index("taken by the backend")


@pytest.mark.parametrize(
    ("url", "links"),
    [
        ("https://bot.example.com/a?b=1", True),
        ("http://127.0.0.1:9000", True),
        ("javascript:alert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("//evil.example.com", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_only_a_web_address_becomes_a_link(admin_client, url, links):
    make_instance("inst-1", web_url=url)

    page = admin_client.get(PAGE).content.decode()

    assert (f'href="{url}" rel="noopener noreferrer"' in page) is links
    assert ("Open it" in page) is links


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("running", {"pause", "restart", "kill"}),
        ("paused", {"restart", "kill"}),
        ("creating", {"kill"}),
        ("error", {"pause", "restart", "kill"}),
        ("stopped", set()),
    ],
)
def test_what_makes_sense_is_offered(admin_client, status, offered):
    make_instance("inst-1", status=status)

    page = admin_client.get(PAGE).content.decode()

    found = {name for name in ("pause", "restart", "kill") if f"{PAGE}{name}/" in page}
    assert found == offered


def test_a_viewer_sees_it_and_is_offered_nothing(viewer_client, text_of):
    make_instance("inst-1")

    response = viewer_client.get(PAGE)

    assert "inst-1 running" in text_of(response)
    assert f"{PAGE}pause/" not in response.content.decode()
    assert "data-log=" in response.content.decode()


def test_the_charts_show_the_period_that_was_chosen(admin_client, text_of):
    make_samples(make_instance("inst-1"), count=100, every=300)

    hour = text_of(admin_client.get(PAGE))
    day = text_of(admin_client.get(f"{PAGE}?period=24h"))
    nonsense = text_of(admin_client.get(f"{PAGE}?period=<b>"))

    assert "CPU, the last hour: 100.0 %" in hour
    assert re.search(r"lowest [89]\d\.\d %", hour)
    assert re.search(r"CPU, the last 24 hours: (100|99)\.\d %", day)
    assert re.search(r"lowest [01]\.\d %", day)
    assert "limit 90 s" in day
    assert "CPU, the last hour" in nonsense


def test_the_log_is_watched_and_downloaded_where_the_gateway_gives_it(admin_client):
    make_instance("inst-1")

    page = admin_client.get(PAGE).content.decode()

    assert 'data-log="/api/instances/inst-1/logs?follow=1&amp;tail=100"' in page
    assert 'href="/api/instances/inst-1/logs?download=1&amp;tail=10000"' in page


def test_what_is_gone_has_its_history_and_no_log(admin_client, text_of):
    row = make_instance("inst-1", status="stopped", is_listed=False)
    make_change(row, Cause.DISAPPEARED, detail="the backend does not list it any more")

    response = admin_client.get(PAGE)

    assert "the backend does not list it any more" in text_of(response)
    assert "data-log=" not in response.content.decode()


def test_a_long_history_is_not_shown_whole(admin_client, django_assert_max_num_queries):
    row = make_instance("inst-1")
    for number in range(80):
        make_change(row, Cause.REPORTED, at=ago(number), actor=f"actor-{number}")

    with django_assert_max_num_queries(22):
        fragment = admin_client.get(f"{PAGE}live/").content.decode()

    assert "actor-49" in fragment
    assert "actor-50" not in fragment


@pytest.mark.parametrize("name", ["nobody", "..%2F..", "a b"])
def test_what_is_not_known_is_not_found(admin_client, name):
    assert admin_client.get(f"/admin/fleet/instances/{name}/").status_code == 404
    assert admin_client.post(f"/admin/fleet/instances/{name}/pause/").status_code == 404


def test_there_are_no_other_commands(admin_client):
    make_instance("inst-1")

    assert admin_client.post(f"{PAGE}explode/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_command_is_given_from_the_page(admin_client, admin, text_of, configured):
    configured.add(id="inst-1")
    make_instance("inst-1")

    text = text_of(admin_client.post(f"{PAGE}pause/", follow=True))

    assert "Paused inst-1." in text
    assert "By" in text and configured.instances["inst-1"].status == "paused"
    assert Instance.objects.get().changes.get().actor == admin.pk


@pytest.mark.django_db(transaction=True)
def test_to_kill_is_asked_once_more(admin_client, text_of, configured):
    configured.add(id="inst-1")
    make_instance("inst-1")

    asked = text_of(admin_client.get(f"{PAGE}kill/"))
    untouched = "inst-1" in configured.instances
    admin_client.post(f"{PAGE}kill/")

    assert "Kill inst-1?" in asked
    assert untouched
    assert configured.instances == {}


@pytest.mark.django_db(transaction=True)
def test_what_the_backend_has_lost_is_told(admin_client, text_of, configured):
    make_instance("inst-1")
    configured.fail("pause", Answer(404, {"error": "Not found"}))

    text = text_of(admin_client.post(f"{PAGE}pause/", follow=True))

    assert "inst-1: not paused: " in text
    assert Instance.objects.get().status == "stopped"


@pytest.mark.django_db(transaction=True)
def test_another_sites_form_does_nothing(admin, configured):
    configured.add(id="inst-1")
    make_instance("inst-1")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)

    response = browser.post(f"{PAGE}kill/")

    assert response.status_code == 403
    assert "inst-1" in configured.instances
