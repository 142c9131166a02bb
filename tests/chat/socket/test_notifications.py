"""News of finished jobs reach the sockets of those who may see them, whichever process has them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from chat import notifications
from chat.notifications import Notification
from project.asgi import application
from tests.factories import make_key, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.without_workers]


@pytest.fixture(autouse=True)
def _decisions_are_stored_at_once(settings) -> None:
    settings.STARPORT_AUDIT_FLUSH_MS = 0


@asynccontextmanager
async def opened(secret: str) -> AsyncIterator[WebsocketCommunicator]:
    socket = WebsocketCommunicator(application, f"/ws?token={secret}")
    accepted, _ = await socket.connect(timeout=60)
    assert accepted
    # What it is told from here on counts: it listens when it answers.
    await socket.send_to(text_data="{")
    await socket.receive_from(timeout=60)
    try:
        yield socket
    finally:
        await socket.disconnect(timeout=60)


async def frames_until_quiet(socket: WebsocketCommunicator) -> list[dict[str, object]]:
    """What came before the answer to something that is asked last."""
    await socket.send_to(text_data="{")
    frames = []
    while (frame := orjson.loads(await socket.receive_from(timeout=60)))["type"] != "error":
        frames.append(frame)
    return frames


def about(owner: str) -> Notification:
    return Notification(owner, "daily report", "s-1", "all is well", True)


async def test_the_owner_and_admins_are_told_and_nobody_else():
    owner = await sync_to_async(make_user)(role="user")
    mine = await sync_to_async(make_key)(user=owner)
    admins = await sync_to_async(make_key)(role="admin")
    strangers = await sync_to_async(make_key)(role="user")

    async with (
        opened(mine.secret) as own,
        opened(admins.secret) as admin,
        opened(strangers.secret) as stranger,
    ):
        await asyncio.to_thread(notifications.tell_here, about(owner.pk))
        await asyncio.to_thread(notifications.tell_here, about(""))
        told = [await frames_until_quiet(socket) for socket in (own, admin, stranger)]

    frame = {
        "type": "notification",
        "job_name": "daily report",
        "session_id": "s-1",
        "result_preview": "all is well",
        "success": True,
    }
    assert told == [[frame], [frame, frame], []]


async def test_what_another_process_announces_is_told_here():
    admins = await sync_to_async(make_key)(role="admin")
    news = {
        "owner": "", "job_name": "j", "session_id": "", "result_preview": "p", "success": False,
    }  # fmt: skip

    async with opened(admins.secret) as socket:
        message = orjson.dumps({"origin": "elsewhere", "notification": news})
        await asyncio.to_thread(notifications.hear, message)
        told = await frames_until_quiet(socket)

    del news["owner"]
    assert told == [{"type": "notification", **news}]


async def test_news_of_a_later_version_are_heard_without_what_is_new_in_them():
    admins = await sync_to_async(make_key)(role="admin")
    news = {
        "owner": "", "job_name": "j", "session_id": "", "result_preview": "p", "success": True,
    }  # fmt: skip

    async with opened(admins.secret) as socket:
        later = {"origin": "elsewhere", "notification": {**news, "unheard_of": 1}}
        await asyncio.to_thread(notifications.hear, orjson.dumps(later))
        told = await frames_until_quiet(socket)

    del news["owner"]
    assert told == [{"type": "notification", **news}]
