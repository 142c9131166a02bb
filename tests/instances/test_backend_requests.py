"""What a backend is sent: paths, headers, bodies; and what is kept from it."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from instances.backends import open_backend
from instances.backends.http import HttpBackend
from instances.backends.http.silence import QUIET_SECONDS
from instances.errors import BackendFailed, InstanceNotFound, NotConfigured, NotSupported
from tests.instances.conftest import KEY
from tests.instances.fake_backend import FakeBackend
from tests.instances.faults import Answer, Chunks, Reset, Slow


@asynccontextmanager
async def client_of(url: str, key: str = KEY, **options: float) -> AsyncIterator[HttpBackend]:
    client = HttpBackend(url, key, **options)
    try:
        yield client
    finally:
        await client.aclose()


CALLS: dict[str, tuple[str, str, Callable[[HttpBackend], Awaitable[object]]]] = {
    "list": ("GET", "/instances", lambda c: c.list_instances()),
    "create": ("POST", "/instances", lambda c: c.create(name="bot", region=None)),
    "get": ("GET", "/instances/a.b_c-1", lambda c: c.get("a.b_c-1")),
    "kill": ("DELETE", "/instances/a.b_c-1", lambda c: c.kill("a.b_c-1")),
    "pause": ("POST", "/instances/a.b_c-1/pause", lambda c: c.pause("a.b_c-1")),
    "restart": ("POST", "/instances/a.b_c-1/restart", lambda c: c.restart("a.b_c-1")),
    "health": ("GET", "/instances/a.b_c-1/health", lambda c: c.health("a.b_c-1")),
    "ssh": ("GET", "/instances/a.b_c-1/ssh", lambda c: c.ssh_access("a.b_c-1")),
}


@pytest.mark.parametrize("operation", CALLS)
async def test_each_operation_has_its_method_and_path(backend: FakeBackend, operation: str):
    method, path, call = CALLS[operation]
    backend.add(id="a.b_c-1")

    async with client_of(backend.url) as client:
        await call(client)

    (seen,) = backend.requests
    assert (seen.operation, seen.method, seen.path) == (operation, method, path)
    assert seen.headers["authorization"] == f"Bearer {KEY}"


async def test_logs_are_asked_for_by_their_tail(backend: FakeBackend):
    backend.add(id="bot")

    async with client_of(backend.url) as client:
        assert [entry async for entry in client.logs("bot", tail=7)] == []

    (seen,) = backend.requests
    assert (seen.path, seen.query) == ("/instances/bot/logs", {"tail": "7", "follow": "false"})


async def test_a_wish_that_is_not_set_is_sent_as_null(backend: FakeBackend):
    async with client_of(backend.url) as client:
        await client.create(name="bot", region=None)

    (seen,) = backend.requests
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == b'{"name":"bot","region":null}'


@pytest.mark.parametrize("operation", ["pause", "restart", "kill"])
async def test_commands_have_no_body(backend: FakeBackend, operation: str):
    backend.add(id="a.b_c-1")

    async with client_of(backend.url) as client:
        await CALLS[operation][2](client)

    (seen,) = backend.requests
    assert seen.body == b""
    assert seen.headers.get("content-length", "0") == "0"


async def test_an_id_is_one_segment_whatever_it_holds(backend: FakeBackend):
    async with client_of(backend.url) as client:
        with pytest.raises(InstanceNotFound):
            await client.get("../a b?c#d%2F")

    (seen,) = backend.requests
    assert seen.path == "/instances/..%2Fa%20b%3Fc%23d%252F"


async def test_slashes_at_the_end_of_the_url_are_stripped(backend: FakeBackend):
    async with client_of(f"{backend.url}//") as client:
        await client.list_instances()

    assert backend.requests[0].path == "/instances"


async def test_without_a_key_no_credential_is_sent():
    backend = FakeBackend()
    async with client_of(backend.url, "") as client:
        await client.list_instances()
    backend.close()

    assert "authorization" not in backend.requests[0].headers


async def test_user_and_password_of_the_url_are_sent_when_there_is_no_key():
    backend = FakeBackend()
    async with client_of(backend.url.replace("//", "//ada:p%40ss@"), "") as client:
        await client.list_instances()
    backend.close()

    encoded = base64.b64encode(b"ada:p@ss").decode()
    assert backend.requests[0].headers["authorization"] == f"Basic {encoded}"


async def test_a_key_wins_over_the_user_of_the_url(backend: FakeBackend):
    async with client_of(backend.url.replace("//", "//ada:p%40ss@")) as client:
        await client.list_instances()

    assert backend.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_proxies_of_the_environment_are_not_heeded(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
):
    proxy = FakeBackend()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    async with client_of(backend.url) as client:
        await client.list_instances()
    proxy.close()

    assert (len(backend.requests), len(proxy.requests)) == (1, 0)


async def test_reading_is_tried_once_more_when_the_connection_fails(backend: FakeBackend):
    backend.fail("list", Reset(), times=1)

    async with client_of(backend.url) as client:
        assert await client.list_instances() == []

    assert backend.counts["list"] == 2


async def test_reading_is_not_tried_a_third_time(backend: FakeBackend):
    backend.fail("list", Reset())

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed):
            await client.list_instances()

    assert backend.counts["list"] == 2


@pytest.mark.parametrize("operation", ["create", "restart", "pause", "kill"])
async def test_a_command_is_never_tried_again(backend: FakeBackend, operation: str):
    backend.add(id="a.b_c-1")
    backend.fail(operation, Reset())

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed):
            await CALLS[operation][2](client)

    assert backend.counts[operation] == 1


@pytest.mark.parametrize("fault", [Answer(500), Answer(404), Slow(0.6)])
async def test_an_answer_or_a_late_one_is_no_reason_to_ask_again(
    backend: FakeBackend, fault: Answer | Slow
):
    backend.fail("get", fault)

    async with client_of(backend.url, read_seconds=0.3) as client:
        with pytest.raises(Exception, match=r"500|404|in time"):
            await client.get("bot")

    assert backend.counts["get"] == 1


async def test_a_redirect_is_not_followed(backend: FakeBackend):
    elsewhere = FakeBackend()
    backend.fail("list", Answer(307, b"", {"Location": f"{elsewhere.url}/instances"}))

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match="redirects are not followed"):
            await client.list_instances()
    elsewhere.close()

    assert len(elsewhere.requests) == 0


@pytest.mark.parametrize(
    "url",
    ["example.com", "ftp://h/", "http://", "http://h/?q=1", "http://h:99999", "http://[::1", "\0"],
)
def test_a_url_that_leads_nowhere_is_refused_without_being_repeated(url: str):
    with pytest.raises(BackendFailed, match="the configured URL of the backend") as raised:
        HttpBackend(url, KEY)

    assert url not in str(raised.value)


@pytest.mark.parametrize("key", ["line\nbreak", "schlüssel", "\x00"])
def test_a_key_that_is_no_header_is_refused_without_being_repeated(key: str):
    with pytest.raises(BackendFailed, match="the configured key") as raised:
        HttpBackend("http://127.0.0.1", key)

    assert key not in str(raised.value)


def test_without_a_url_there_is_no_backend():
    with pytest.raises(NotConfigured):
        open_backend()


async def test_of_a_refused_ssh_access_nothing_is_repeated(backend: FakeBackend):
    backend.fail("ssh", Answer(500, {"error": "the key is hunter2"}))

    async with client_of(backend.url) as client:
        with pytest.raises(BackendFailed, match=r"^500 Internal Server Error$"):
            await client.ssh_access("bot")


async def test_what_a_backend_cannot_do_is_no_failure_of_it(backend: FakeBackend):
    backend.fail("restart", Answer(501))

    async with client_of(backend.url) as client:
        with pytest.raises(NotSupported):
            await client.restart("bot")


async def test_a_log_may_take_its_time_before_its_first_byte(backend: FakeBackend):
    backend.add(id="bot")
    backend.fail("logs", Chunks([QUIET_SECONDS + 0.3, b"late\n"]))

    async with client_of(backend.url) as client:
        entries = [entry.message async for entry in client.logs("bot", tail=7)]

    assert entries == ["late"]
