"""The real model on this machine's CPU."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runs.providers import local
from runs.providers.base import ProviderError, TextDelta, ToolSpec
from runs.providers.registry import get_client
from tests.runs.providers.asking import ask, request_for

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(not local.is_installed(), reason="requirements-local.txt not installed"),
]
NOW = ToolSpec("now", "The time", {"type": "object", "properties": {}})
START_IT_AND_WAIT = """
import django, time
django.setup()
from runs.providers.local import warm_up
warm_up()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", autouse=True)
def _model_stops_afterwards():
    yield
    local.shut_down()


async def test_it_streams_a_real_answer_and_takes_no_notice_of_tools():
    client = get_client("local")

    answer = await ask(client, "Say hello.", tools=(NOW,), params={"max_tokens": 12})

    assert answer.text.strip()
    assert sum(isinstance(part, TextDelta) for part in answer.parts) > 1
    assert answer.tool_calls == []
    assert answer.end.usage.input_tokens > 0
    assert 0 < answer.end.usage.output_tokens <= 12
    assert answer.end.raw_response_hash is not None


async def test_it_says_when_the_token_limit_ended_the_answer():
    answer = await ask(get_client("local"), "Tell a long story.", params={"max_tokens": 4})

    assert answer.end.stop_reason == "max_tokens"


async def test_a_message_beyond_its_context_is_a_bad_request():
    with pytest.raises(ProviderError, match="context size") as caught:
        await ask(get_client("local"), "word " * 5000)

    assert caught.value.kind == "bad_request"


async def test_cancelled_calls_leave_their_slots_to_others():
    client = get_client("local")
    has_begun = asyncio.Event()

    async def listen() -> None:
        async for _ in client.stream(request_for("Write a very long story.")):
            has_begun.set()

    calls = [asyncio.create_task(listen()) for _ in range(3)]
    await has_begun.wait()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    answer = await ask(client, "Say hello.", params={"max_tokens": 4})

    assert answer.text


async def test_it_starts_again_after_a_crash():
    client = get_client("local")
    await ask(client, "Hi", params={"max_tokens": 2})
    (server,) = _servers_of(os.getpid())

    os.kill(server, signal.SIGKILL)
    await asyncio.to_thread(_has_ended, server)
    answer = await ask(client, "Hi", params={"max_tokens": 2})

    assert answer.text


def test_it_ends_with_a_parent_that_is_killed():
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-c", START_IT_AND_WAIT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (server,) = _servers_of(parent.pid)

        parent.kill()

    assert _has_ended(server)


def _servers_of(pid: int) -> list[int]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = [int(c) for thread in threads for c in (thread / "children").read_text().split()]
    return [c for c in children if b"local_server" in Path(f"/proc/{c}/cmdline").read_bytes()]


def _has_ended(pid: int) -> bool:
    """Waits for the end of a process; half a minute without one is a failure."""
    handle = os.pidfd_open(pid)
    try:
        readable, _, _ = select.select([handle], [], [], 30)
        return bool(readable)
    finally:
        os.close(handle)
