"""How many requests a user may send to the gateway within a window."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import _server_factory
from tests.server import RunningServer

READS = 3
MONTH = 30 * 86_400


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    quota = {"RATELIMIT_DEFAULT": str(READS), "RATELIMIT_WINDOW_SECONDS": str(MONTH)}
    with _server_factory(tmp_path_factory) as start:
        yield start(env=quota, workers=0)


def statuses(client: httpx.Client, *paths: str) -> list[int]:
    return [client.get(path).status_code for path in paths]


def test_it_is_the_users_whichever_of_their_keys_they_send(limited: RunningServer):
    admin = limited.client
    user = admin.post("/api/settings/auth/users", json={}).json()["id"]
    keys = f"/api/settings/auth/users/{user}/api-keys"
    secrets = [admin.post(keys, json={}).json()["key"] for _ in range(2)]
    one, other = (
        httpx.Client(base_url=limited.url, headers={"X-API-Key": secret}) for secret in secrets
    )

    with one, other:
        allowed = statuses(one, "/api/sessions", "/api/cron/jobs")
        allowed += statuses(other, "/api/sessions")
        refused = [client.get("/api/sessions") for client in (one, other)]

    assert allowed == [200, 200, 200]
    for answer in refused:
        assert (answer.status_code, answer.json()) == (429, {"error": "Rate limit exceeded"})
        assert 1 <= int(answer.headers["Retry-After"]) <= MONTH


def test_settings_count_and_asking_who_one_is_does_not(limited: RunningServer):
    free = ("/api/health", "/api/auth/verify") * READS

    before = statuses(limited.client, *free)
    counted = statuses(limited.client, *["/api/settings/cron"] * (READS + 1))
    after = statuses(limited.client, *free)

    assert counted == [*[200] * READS, 429]
    assert set(before + after) == {200}
