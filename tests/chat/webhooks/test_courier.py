"""The courier of a server whose database comes and goes."""

import asyncio

import pytest
from django.db import connection

from chat.webhooks.courier import Courier
from project.lib.pool import in_database_thread
from project.lib.tasks import end_task
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


async def test_a_courier_that_cannot_begin_tries_again(
    office: Office, receiver: Receiver, caplog: pytest.LogCaptureFixture
):
    issued = await in_database_thread(office.make, receiver.url)
    await in_database_thread(office.test, issued.endpoint)
    await in_database_thread(rename, "chat_webhookdelivery", "away")
    task = asyncio.create_task(Courier("test").run())
    try:
        async with asyncio.timeout(30):
            while "a clock's tick failed" not in caplog.text and not task.done():
                await asyncio.sleep(0.02)
    finally:
        await in_database_thread(rename, "away", "chat_webhookdelivery")
    assert not task.done()

    received = await asyncio.to_thread(receiver.wait_for, 1)
    await end_task(task)

    assert received[0].is_signed_with(issued.secret)
