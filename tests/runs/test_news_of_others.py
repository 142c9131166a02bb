"""News that somebody fails at do not keep the rest away."""

import asyncio
import os
import secrets
from typing import Any

import pytest
import redis.asyncio

from project.lib.tasks import end_task
from runs import news
from runs.live import Hub

pytestmark = pytest.mark.skipif("REDIS_URL" not in os.environ, reason="news travel over Redis")


async def test_a_listener_goes_on_after_a_receiver_that_fails(
    settings: Any, monkeypatch: pytest.MonkeyPatch
):
    settings.REDIS_URL = os.environ["REDIS_URL"]
    settings.STARPORT_REDIS_PREFIX = f"test-{secrets.token_hex(4)}"
    heard: list[bytes] = []

    def take(data: bytes) -> None:
        heard.append(data)
        if data == b"bad":
            raise KeyError("a field of another version")

    monkeypatch.setitem(news._hearing, "probe", take)
    channel = f"{settings.STARPORT_REDIS_PREFIX}:news:topic:probe"
    task = asyncio.create_task(news.Listener(Hub(), None).run())
    async with asyncio.timeout(30), redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        while not await client.publish(channel, b"bad"):
            await asyncio.sleep(0.02)
        await client.publish(channel, b"good")
        while b"good" not in heard and not task.done():
            await asyncio.sleep(0.02)
    await end_task(task)

    assert heard == [b"bad", b"good"]


async def test_a_listener_ends_at_whatever_moment_of_its_beginning_it_is_told_to(settings: Any):
    settings.REDIS_URL = os.environ["REDIS_URL"]
    settings.STARPORT_REDIS_PREFIX = f"test-{secrets.token_hex(4)}"

    # It is subscribed after some twenty.
    assert [moments for moments in range(60) if not await ends_when_told_after(moments)] == []


async def test_a_listener_ends_as_well_while_its_redis_hangs_up_on_it(settings: Any):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    settings.REDIS_URL = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        late = [moments for moments in range(60) if not await ends_when_told_after(moments)]

    assert late == []


async def ends_when_told_after(moments: int) -> bool:
    """Whether a listener that has begun so many turns of the event loop ago ends by one word."""
    task = asyncio.create_task(news.Listener(Hub(), None).run())
    for _ in range(moments):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    has_ended = task.cancelled()
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    return has_ended
