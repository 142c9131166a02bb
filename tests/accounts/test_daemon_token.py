"""The daemon token is one more credential, with the run capabilities."""

import pytest

from accounts.authentication import authenticate_scope
from accounts.capabilities import ALL
from tests.accounts.scopes import http_scope

pytestmark = pytest.mark.django_db

TOKEN = "daemon-secret"


@pytest.fixture(autouse=True)
def _token(settings):
    settings.STARLINGD_TOKEN = TOKEN


def test_it_acts_as_the_daemon_and_sees_all_runs(client, owner):
    response = client.get("/v1/runs", headers={"Authorization": f"Bearer {TOKEN}"})

    assert response.json()["actor"] == "daemon"
    assert response.json()["sees_all_runs"] is True


def test_it_holds_the_run_artifact_and_metrics_capabilities_and_no_others():
    principal = authenticate_scope(http_scope(authorization=f"Bearer {TOKEN}"))

    assert principal.user_id is None
    assert principal.capabilities == {
        name
        for name in ALL
        if name.split(":")[0] in ("runs", "counterfactual", "artifacts", "metrics")
    }


@pytest.mark.parametrize(
    "header", ["bearer daemon-secret", "Bearer  daemon-secret", "Bearer daemon-secre", "Bearer "]
)
def test_it_takes_the_header_exactly(client, owner, header):
    assert client.get("/v1/runs", headers={"Authorization": header}).status_code == 401


def test_it_is_not_accepted_elsewhere(client, owner):
    assert client.get("/v1/runs", headers={"X-API-Key": TOKEN}).status_code == 401
    assert client.get("/v1/stream", query_params={"token": TOKEN}).status_code == 401


def test_keys_still_count_beside_it(client, owner):
    bearer = {"Authorization": f"Bearer {owner.secret}"}

    assert client.get("/v1/runs", headers=bearer).json()["actor"] == owner.user.pk


def test_an_empty_token_is_no_token(client, owner, settings):
    settings.STARLINGD_TOKEN = ""

    assert client.get("/v1/runs", headers={"Authorization": "Bearer "}).status_code == 401
