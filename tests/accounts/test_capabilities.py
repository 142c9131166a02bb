"""What each role may do, and how a limited key is cut down."""

import pytest

from accounts import capabilities
from accounts.capabilities import ALL, ROLE_CAPABILITIES
from accounts.models import User
from tests.accounts.cast import facts, make_member

pytestmark = pytest.mark.django_db

VIEW = {"runs:read", "artifacts:read", "instances:read"}


def test_every_role_has_its_row():
    assert set(ROLE_CAPABILITIES) == set(User.Role.values)


def test_the_constants_are_all_there_is():
    names = {value for name, value in vars(capabilities).items() if name.isupper() and ":" in value}

    assert names == ALL


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("viewer", VIEW),
        ("responder", VIEW | {"runs:respond", "chat:use"}),
        ("analyst", VIEW | {"counterfactual:run", "chat:use"}),
        (
            "operator",
            VIEW
            | {"runs:start", "runs:cancel", "runs:pause", "runs:resume"}
            | {"chat:use", "memory:write"},
        ),
        ("scraper", {"metrics:read"}),
        ("admin", ALL),
    ],
)
def test_a_role_holds_exactly_this(role, expected):
    assert ROLE_CAPABILITIES[role] == expected


def test_a_user_manages_nothing_but_its_own():
    managing = {"users:manage", "settings:manage", "instances:manage", "audit:read", "metrics:read"}

    assert not ROLE_CAPABILITIES["user"] & managing


@pytest.mark.parametrize(
    ("role", "sees_all"),
    [("user", False), ("viewer", True), ("operator", True), ("admin", True)],
)
def test_only_the_role_user_is_kept_to_its_own_runs(client, role, sees_all):
    member = make_member(role=role)

    response = client.get("/v1/runs", headers=member.headers)

    assert response.json()["sees_all_runs"] is sees_all


def test_it_refuses_what_the_role_does_not_hold_and_says_which_capability(client):
    viewer = make_member(role="viewer")

    response = client.post("/v1/runs", headers=viewer.headers)

    assert response.status_code == 403
    assert response.json() == {
        "detail": "capability 'runs:start' not granted under oss-default profile"
    }


def test_it_records_what_was_granted_and_what_was_denied(client):
    viewer = make_member(role="viewer")

    client.get("/v1/runs", headers=viewer.headers)
    client.post("/v1/runs", headers=viewer.headers)

    granted, denied = facts("capability_granted")[-1], facts("capability_denied")[-1]
    assert (granted["actor"], granted["capability"]) == (viewer.user.pk, "runs:read")
    assert (denied["actor"], denied["capability"]) == (viewer.user.pk, "runs:start")
    assert granted["route"] == denied["route"] == "/v1/runs"


def test_a_limited_key_has_no_more_than_it_names(client):
    operator = make_member(role="operator", limited_to=["runs:start"])

    assert client.post("/v1/runs", headers=operator.headers).status_code == 200
    assert client.get("/v1/runs", headers=operator.headers).status_code == 403


def test_a_demotion_reaches_the_keys_that_exist(client):
    operator = make_member(role="operator")
    assert client.post("/v1/runs", headers=operator.headers).status_code == 200

    User.objects.filter(pk=operator.user.pk).update(role="viewer")

    assert client.post("/v1/runs", headers=operator.headers).status_code == 403


def test_a_view_that_names_no_capability_answers_nobody(client, admin):
    client.raise_request_exception = False

    response = client.get("/v1/forgotten", headers=admin.headers)

    assert response.status_code == 500


def test_a_method_the_view_does_not_have_is_405_not_403(client):
    scraper = make_member(role="viewer")

    assert client.delete("/v1/runs", headers=scraper.headers).status_code == 405
