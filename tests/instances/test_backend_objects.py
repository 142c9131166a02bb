"""What a backend answers, read tolerantly: both generations, and nonsense."""

from typing import Any

import pytest

from instances.errors import BackendFailed
from instances.objects import Health, Report, SshAccess, Status
from tests.instances.conftest import KEY
from tests.instances.fake_backend import FakeBackend
from tests.instances.fake_instance import SECRETS
from tests.instances.faults import Answer, Raw
from tests.instances.test_backend_requests import client_of

G1 = {
    "id": "bot-1",
    "name": "bot",
    "status": "running",
    "region": "eu",
    "created_at": 1774015509,
    "updated_at": 1774015510,
    "health": None,
}
HEALTH = {
    "cpu_percent": 12.5,
    "memory_mb": 256,
    "disk_mb": 1024,
    "last_heartbeat": 1774015509,
    "uptime_secs": 60,
}


async def get(backend: FakeBackend, found: Any) -> Report:
    """What becomes of an object."""
    backend.fail("get", Answer(200, found))
    async with client_of(backend.url) as client:
        return await client.get("bot-1")


async def health(backend: FakeBackend, found: Any) -> Health:
    backend.fail("health", Answer(200, found))
    async with client_of(backend.url) as client:
        return await client.health("bot-1")


async def test_an_instance_of_the_contract_is_taken_as_it_is(backend: FakeBackend):
    report = await get(backend, {**G1, "health": HEALTH})

    assert report == Report(
        id="bot-1",
        status=Status.RUNNING,
        created_at=1774015509,
        updated_at=1774015510,
        name="bot",
        region="eu",
        health=Health(12.5, 256, 1024, 1774015509, 60),
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (1774015509, 1774015509),
        (1774015509.75, 1774015509),
        (1774015509123, 1774015509),
        ("2026-03-20T14:05:09Z", 1774015509),
        ("2026-03-20T15:05:09.123456+01:00", 1774015509),
        ("2026-03-20T14:05:09.123456789Z", 1774015509),
        ("2026-03-20T14:05:09", 1774015509),
    ],
)
async def test_times_are_seconds_or_rfc_3339(backend: FakeBackend, written: Any, seconds: int):
    report = await get(backend, {**G1, "created_at": written, "updated_at": written})

    assert (report.created_at, report.updated_at) == (seconds, seconds)


async def test_without_a_last_change_it_is_as_old_as_the_instance(backend: FakeBackend):
    report = await get(backend, {**G1, "updated_at": None})

    assert report.updated_at == report.created_at


async def test_a_zone_is_a_region(backend: FakeBackend):
    found = {name: value for name, value in G1.items() if name != "region"}

    assert (await get(backend, {**found, "zone": "eu-west1-b"})).region == "eu-west1-b"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((status.value, status) for status in Status),
        ("Running", Status.RUNNING),
        ("hibernating", Status.ERROR),
        ("", Status.ERROR),
        (None, Status.ERROR),
        (7, Status.ERROR),
    ],
)
async def test_a_status_is_one_of_the_five_or_an_error(
    backend: FakeBackend, word: Any, status: Status
):
    assert (await get(backend, {**G1, "status": word})).status is status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", Status.CREATING),
        ("provisioning", Status.CREATING),
        ("starting", Status.CREATING),
        ("restarting", Status.CREATING),
        ("running", Status.RUNNING),
        ("stopping", Status.PAUSED),
        ("stopped", Status.PAUSED),
        ("deleting", Status.STOPPED),
        ("deleted", Status.STOPPED),
        ("error", Status.ERROR),
        ("hibernating", Status.ERROR),
    ],
)
async def test_the_second_generation_has_words_of_its_own(word: str, status: Status):
    backend = FakeBackend(key=KEY, generation=2)
    backend.add(id="bot-1", status=word)
    async with client_of(backend.url) as client:
        report = await client.get("bot-1")
    backend.close()

    assert report.status is status


async def test_stopped_is_the_end_unless_the_object_is_of_the_second_generation(
    backend: FakeBackend,
):
    stopped = {**G1, "status": "stopped"}

    assert (await get(backend, stopped)).status is Status.STOPPED
    assert (await get(backend, {**stopped, "machine_type": "e2"})).status is Status.PAUSED


async def test_the_second_generation_is_spoken_to_in_its_own_words():
    backend = FakeBackend(key=KEY, generation=2)
    made = backend.add(id="bot-1", region="eu")
    backend.say(made, "hello")
    async with client_of(backend.url) as client:
        (report,) = await client.list_instances()
        await client.pause("bot-1")
        paused = await client.get("bot-1")
        entries = [entry.message async for entry in client.logs("bot-1", tail=5)]
        await client.create(name="other", region=None)
    backend.close()

    assert report == Report(
        id="bot-1",
        status=Status.RUNNING,
        created_at=made.created_at,
        updated_at=made.created_at,
        region="eu",
        web_url="https://bot-1.example.com",
    )
    assert paused.status is Status.PAUSED
    assert entries == ["hello"]
    assert [seen.path for seen in backend.requests if seen.operation == "pause"] == [
        "/api/v1/instances/bot-1/stop"
    ]
    assert backend.seen("logs")[0].query["lines"] == "5"
    assert backend.seen("create")[0].body == b'{"name":"other"}'


async def test_a_base_like_the_second_generations_may_belong_to_the_first(backend: FakeBackend):
    backend.add(id="bot-1")
    backend.prefix = "/api/v1"

    async with client_of(backend.url) as client:
        await client.pause("bot-1")

    assert backend.instances["bot-1"].status == "paused"


async def test_the_secrets_of_an_instance_are_never_kept(backend: FakeBackend):
    report = await get(backend, {**G1, **SECRETS, "anything": "else"})

    assert "of_the_instance" not in repr(report).replace("-", "_")
    assert "else" not in repr(report)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://bot.example.com/chat?x=1", "https://bot.example.com/chat?x=1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//example.com", ""),
        ("https://", ""),
        ("https://ada:secret@example.com", ""),
        ("https://[::1", ""),
        ("https://example.com/\n", ""),
        ("https://example.com/" + "x" * 500, ""),
        (7, ""),
    ],
)
async def test_only_an_address_of_the_web_is_kept_as_one(backend: FakeBackend, url: Any, kept: str):
    assert (await get(backend, {**G1, "web_url": url})).web_url == kept


async def test_what_went_wrong_with_an_instance_is_kept(backend: FakeBackend):
    report = await get(backend, {**G1, "status": "error", "error_message": "no\x00 quota"})

    assert report.error == "no  quota"


async def test_a_health_that_is_nonsense_does_not_hide_its_instance(backend: FakeBackend):
    assert (await get(backend, {**G1, "health": {"cpu_percent": "much"}})).health is None


async def test_health_is_taken_as_it_is(backend: FakeBackend):
    assert await health(backend, {**HEALTH, "more": 1}) == Health(12.5, 256, 1024, 1774015509, 60)


async def test_a_heartbeat_may_be_written_as_a_time(backend: FakeBackend):
    found = await health(backend, {**HEALTH, "last_heartbeat": "2026-03-20T14:05:09Z"})

    assert found.last_heartbeat == 1774015509


@pytest.mark.parametrize("name", HEALTH)
@pytest.mark.parametrize("value", [None, "5", True, -1, [1]])
async def test_every_number_of_a_health_must_be_one(backend: FakeBackend, name: str, value: Any):
    with pytest.raises(BackendFailed, match=f"Invalid response: {name} is"):
        await health(backend, {**HEALTH, name: value})


@pytest.mark.parametrize("name", ["cpu_percent", "memory_mb", "disk_mb", "uptime_secs"])
async def test_a_number_that_no_database_keeps_is_none(backend: FakeBackend, name: str):
    with pytest.raises(BackendFailed, match=f"Invalid response: {name} is out of range"):
        await health(backend, {**HEALTH, name: 2**80})


async def test_the_list_is_in_the_backends_order_and_names_each_once(backend: FakeBackend):
    first, second = {**G1, "id": "z"}, {**G1, "id": "a"}
    backend.fail("list", Answer(200, [first, second, {**first, "name": "again"}]))

    async with client_of(backend.url) as client:
        reports = await client.list_instances()

    assert [(report.id, report.name) for report in reports] == [("z", "bot"), ("a", "bot")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'[{"id": "half',
        b"null",
        b'{"instances": []}',
        b"[7]",
        b"[{}]",
        b'[7, {"id": ":"}, {"id": "a", "created_at": null}]',
        b'[{"id": "a/b", "status": "running", "created_at": 1}]',
        b'[{"id": "..", "status": "running", "created_at": 1}]',
        b'[{"id": 7, "status": "running", "created_at": 1}]',
        b'[{"id": "a", "status": "running"}]',
        b'[{"id": "a", "status": "running", "created_at": "yesterday"}]',
        b"\xff\xfe[]",
    ],
)
async def test_a_list_that_is_none_is_a_failure_of_the_backend(backend: FakeBackend, body: bytes):
    backend.fail("list", Answer(200, body))

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match="Invalid response: "):
            await client.list_instances()


async def test_an_answer_without_an_end_is_not_taken_in(backend: FakeBackend):
    body = b"[" + b" " * (17 * 1024 * 1024) + b"]"
    backend.fail("list", Answer(200, body))

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match="too long"):
            await client.list_instances()


async def test_nothing_that_was_packed_is_unpacked(backend: FakeBackend):
    backend.fail("list", Answer(200, b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}))

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match="no JSON"):
            await client.list_instances()

    assert backend.requests[0].headers["accept-encoding"] == "identity"


async def test_what_is_no_http_is_a_failure_of_the_backend(backend: FakeBackend):
    backend.fail("list", Raw(b"SSH-2.0-OpenSSH\r\n\r\n"))

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match="broke off"):
            await client.list_instances()


async def test_access_by_ssh_is_taken_as_it_is_and_never_shown(backend: FakeBackend):
    backend.add(id="bot-1").ssh = {"host": "h", "port": 22, "user": "u", "private_key": "PEM"}

    async with client_of(backend.url) as client:
        access = await client.ssh_access("bot-1")

    assert access == SshAccess("h", 22, "u", "PEM")
    assert "PEM" not in repr(access)


@pytest.mark.parametrize(
    "change",
    [
        {"host": ""},
        {"host": 7},
        {"user": None},
        {"port": "22"},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"private_key": 5},
    ],
)
async def test_access_by_ssh_that_is_none_is_a_failure(
    backend: FakeBackend, change: dict[str, Any]
):
    backend.add(id="bot-1").ssh = {"host": "h", "port": 22, "user": "u", **change}

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match="Invalid response: "):
            await client.ssh_access("bot-1")
