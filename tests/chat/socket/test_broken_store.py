"""A handshake while the database does not say who may come in."""

import asyncio
from typing import Any

import pytest
from django.db import connection

from project.asgi import application
from project.lib.pool import in_database_thread
from tests.accounts.scopes import socket_scope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.without_workers]


EXTENSION = "websocket.http.response"


def rename(before: str, after: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {before} RENAME TO {after}")


async def answer_to_handshake(query: str) -> list[dict[str, Any]]:
    """All that is sent to a client who asks for an upgrade, and leaves when refused."""
    sent: list[dict[str, Any]] = []
    incoming = iter(["websocket.connect", "websocket.disconnect", "websocket.disconnect"])

    async def receive() -> dict[str, Any]:
        return {"type": next(incoming)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {**socket_scope(query=query), "path": "/ws", "extensions": {EXTENSION: {}}}
    async with asyncio.timeout(60):
        await application(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("table", "query"),
    [("accounts_user", ""), ("accounts_apikey", "token=sp_live_" + "0" * 40)],
)
async def test_it_is_refused_as_a_failure_that_tells_nothing(settings: Any, table: str, query: str):
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    await in_database_thread(rename, table, f"{table}_away")
    try:
        start, body = await answer_to_handshake(query)
    finally:
        await in_database_thread(rename, f"{table}_away", table)

    assert (start["type"], start["status"]) == (f"{EXTENSION}.start", 500)
    assert dict(start["headers"])[b"Content-Type"].startswith(b"text/plain")
    assert body["body"] == b"Auth error"
