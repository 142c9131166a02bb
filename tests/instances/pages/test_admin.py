"""Instances in the admin: the lists, and the actions that end in the fleet's services."""

import re

import pytest

from accounts.services.api_keys import issue_key
from instances.models import Instance, StatusChange
from tests.accounts.cast import facts
from tests.factories import make_user
from tests.instances.faults import Answer
from tests.instances.pages.rows import (
    Cause,
    make_attempt,
    make_change,
    make_instance,
    make_samples,
    make_stale,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/instances/instance/"
in_earnest = pytest.mark.django_db(transaction=True)  # services write from threads of their own


def known(backend, **fields):
    """An instance of the backend that is remembered as well."""
    instance = backend.add(**fields)
    make_instance(instance.id, name=instance.name or "", status=instance.status)
    return instance


def act(client, action, *instance_ids, **more):
    form = {"action": action, "_selected_action": instance_ids, **more}
    return client.post(LIST, form, follow=True, headers=more.pop("headers", {}))


def test_the_list_shows_how_each_fares(admin_client, text_of):
    row = make_instance("inst-1", name="my bot", region="eu-west", beat=7)
    make_change(row, Cause.COMMAND, actor=make_user(display_name="Olga").pk)
    make_samples(row, count=5)
    make_stale("inst-2")

    text = text_of(admin_client.get(LIST))

    assert re.search(
        r"my bot running by Olga \d+ s ago 12.5 %, 256 MB CPU, the last hour latest ", text
    )
    assert "inst-2 error no heartbeat for 120 s" in text


def test_the_list_leads_to_the_page_of_an_instance(admin_client):
    make_instance("inst-1")

    page = admin_client.get(LIST).content.decode()
    by_link_of_the_admin = admin_client.get(f"{LIST}inst-1/change/")

    assert 'href="/admin/fleet/instances/inst-1/"' in page
    assert by_link_of_the_admin.headers["Location"] == "/admin/fleet/instances/inst-1/"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=running", {"up"}),
        ("stale_since__isempty=0", {"silent"}),
        ("is_listed__exact=0", {"gone"}),
        ("region=eu", {"up"}),
        ("q=SIL", {"silent"}),
    ],
)
def test_the_list_can_be_narrowed(admin_client, query, expected):
    make_instance("up", region="eu")
    make_stale("silent")
    make_instance("gone", status="stopped", is_listed=False)

    page = admin_client.get(f"{LIST}?{query}").content.decode()

    assert set(re.findall(r"/admin/fleet/instances/(\w+)/", page)) == expected


def test_a_long_list_costs_no_query_more_than_a_short_one(
    admin_client, django_assert_max_num_queries
):
    for number in range(50):
        row = make_instance(f"inst-{number}")
        make_change(row, Cause.COMMAND, actor=f"actor-{number}")
        make_samples(row, count=2)

    with django_assert_max_num_queries(28):
        page = admin_client.get(LIST).content.decode()

    assert page.count("/admin/fleet/instances/inst-") == 50
    assert page.count("<polyline") == 50


def test_nothing_is_added_changed_or_deleted_here(admin_client):
    row = make_instance("inst-1")
    make_change(row, Cause.APPEARED)
    change = row.changes.get()

    assert admin_client.post(f"{LIST}add/", {}).headers["Location"] == "/admin/fleet/create/"
    assert admin_client.post(f"{LIST}inst-1/delete/", {"post": "yes"}).status_code == 403
    changed = admin_client.post(f"/admin/instances/statuschange/{change.pk}/change/", {})
    assert changed.status_code == 403
    assert Instance.objects.filter(pk="inst-1").exists()


def test_changes_and_restarts_are_listed_newest_first(admin_client, text_of):
    row = make_stale("silent", name="my bot")
    for cause in (Cause.APPEARED, Cause.STALE):
        make_change(row, cause, detail=f"because {cause}")
    make_attempt(row, seconds_ago=20, error="the backend was busy")

    changes = text_of(admin_client.get("/admin/instances/statuschange/"))
    attempts = text_of(admin_client.get("/admin/instances/restartattempt/"))

    assert changes.index("because stale") < changes.index("because appeared")
    assert "the backend was busy" in attempts


@in_earnest
def test_actions_call_the_services_with_their_actor(admin_client, admin, text_of, configured):
    one, two = known(configured, name="one"), known(configured, name="two")

    response = act(admin_client, "pause", one.id, two.id)

    assert (one.status, two.status) == ("paused", "paused")
    assert "Paused one." in text_of(response)
    changes = StatusChange.objects.filter(status="paused", cause=Cause.COMMAND)
    assert {(change.instance_id, change.actor) for change in changes} == {
        (one.id, admin.pk),
        (two.id, admin.pk),
    }
    assert {(fact["actor"], fact["outcome"]) for fact in facts("instance_command")} == {
        (admin.pk, "done")
    }


@in_earnest
def test_a_restart_continues_what_is_paused(admin_client, configured):
    one = known(configured, status="paused")

    act(admin_client, "restart", one.id)

    assert one.status == "running"
    assert Instance.objects.get().status == "running"


@in_earnest
def test_to_kill_is_asked_once_more(admin_client, text_of, configured):
    one = known(configured, name="one")

    asked = act(admin_client, "kill", one.id)
    untouched = Instance.objects.get().status
    killed = act(admin_client, "kill", one.id, confirmed="yes")

    assert "Kill 1 instance?" in text_of(asked)
    assert untouched == "running"
    assert "Killed one." in text_of(killed)
    assert configured.instances == {}
    assert Instance.objects.get().status == "stopped"


@in_earnest
def test_what_the_backend_refuses_is_told_and_changes_nothing(admin_client, text_of, configured):
    one, two = known(configured, name="one"), known(configured, name="two")
    configured.fail("pause", Answer(409, {"error": "it is being moved"}), times=1)

    text = text_of(act(admin_client, "pause", one.id, two.id))

    assert len(re.findall(r"(?:one|two): not paused: ", text)) == 1
    assert len(re.findall(r"Paused (?:one|two)\.", text)) == 1
    assert sorted(Instance.objects.values_list("status", flat=True)) == ["paused", "running"]


def test_without_a_backend_the_actions_say_so(admin_client, text_of):
    make_instance("inst-1", name="<b>my bot</b>")

    response = act(admin_client, "pause", "inst-1")

    assert "<b>my bot</b>: not paused: Instance backend not configured" in text_of(response)
    assert "<b>" not in response.content.decode()
    assert Instance.objects.get().status == "running"


@pytest.mark.parametrize("action", ["pause", "kill"])
def test_too_many_at_once_are_refused_whole(admin_client, text_of, action):
    for number in range(51):
        make_instance(f"inst-{number}")

    text = text_of(act(admin_client, action, "inst-0", select_across="1"))

    assert "At most 50 at a time; nothing was done." in text
    assert "not paused" not in text


@in_earnest
def test_who_may_only_read_is_offered_no_action_and_takes_none(admin_client, admin, configured):
    one = known(configured)
    key = issue_key(user_id=admin.pk, actor="test", limited_to=["instances:read"])
    headers = {"X-API-Key": key.secret}

    page = admin_client.get(LIST, headers=headers).content.decode()
    act(admin_client, "pause", one.id, headers=headers)
    confirmed = {"action": "kill", "_selected_action": one.id, "confirmed": "yes"}
    admin_client.post(LIST, confirmed, headers=headers)

    assert 'value="pause"' not in page
    assert one.status == "running"
    assert configured.seen("pause") == configured.seen("kill") == []


def test_the_lists_want_an_admins_login(viewer_client):
    make_instance("inst-1")

    for path in (LIST, "/admin/instances/statuschange/", "/admin/instances/restartattempt/"):
        assert viewer_client.get(path).headers["Location"].startswith("/admin/login/")
