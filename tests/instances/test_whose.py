"""What a backend's answer says about, and what not: newer things, other folders, other backends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditRecord
from instances.backends.local import LocalBackend
from instances.errors import InstanceNotFound
from instances.models import Instance
from instances.objects import Report, Status
from instances.services import fleet, recording
from project.lib.pool import in_database_thread
from tests.instances.fake_backend import FakeBackend
from tests.instances.faults import Chunks

pytestmark = pytest.mark.django_db(transaction=True)


def report(instance_id: str, status: Status = Status.RUNNING) -> Report:
    return Report(id=instance_id, status=status, created_at=1, updated_at=1)


def late(body: bytes) -> Chunks:
    """An answer that was settled long before it arrives."""
    return Chunks([body[:1], 0.5, body[1:]], content_type="application/json")


async def standing(instance_id: str) -> tuple[str, str]:
    row = await in_database_thread(Instance.objects.get, pk=instance_id)
    return row.status, row.why


async def test_what_is_created_while_a_list_is_on_its_way_has_not_disappeared(
    configured: FakeBackend,
):
    configured.fail("list", late(b"[]"), times=1)
    asking = asyncio.create_task(fleet.list_instances())
    await asyncio.to_thread(configured.wait_for, "list")

    made = await fleet.create_instance(name="bot", region=None, actor="ada")
    await asking

    assert (await standing(made.id))[0] == "creating"


async def test_what_is_paused_while_somebody_asks_about_it_does_not_run_again(
    configured: FakeBackend,
):
    bot = configured.add(id="bot")
    await fleet.list_instances()
    before = b'{"id":"bot","status":"running","created_at":1,"updated_at":1}'
    configured.fail("get", late(before), times=1)
    asking = asyncio.create_task(fleet.get_instance(bot.id))
    await asyncio.to_thread(configured.wait_for, "get")

    await fleet.pause_instance(bot.id, actor="ada")
    await asking

    assert (await standing(bot.id))[0] == "paused"


async def test_what_another_kind_of_backend_had_stops_when_one_is_configured(
    configured: FakeBackend,
):
    await in_database_thread(recording.remember_list, "local", [report("old")], place="here")
    configured.add(id="new")

    await fleet.list_instances()

    assert await standing("old") == ("stopped", "another backend is configured now")
    assert (await standing("new"))[0] == "running"


async def test_of_two_servers_that_run_instances_themselves_each_knows_of_its_own(
    settings: Any, tmp_path: Path
):
    settings.STARPORT_INSTANCE_BACKEND = "local"
    first, second = tmp_path / "first", tmp_path / "second"
    place = LocalBackend(first / "instances").place
    await in_database_thread(recording.remember_list, "local", [report("a")], place=place)

    settings.DATA_DIR = second
    assert await fleet.list_instances() == []
    with pytest.raises(InstanceNotFound):
        await fleet.get_instance("a")
    of_another = await standing("a")
    settings.DATA_DIR = first
    await fleet.list_instances()

    assert of_another == ("running", "")
    assert await standing("a") == ("stopped", "the backend does not list it any more")


def test_changes_are_in_the_audit_trail_with_their_rows_and_its_lock_is_taken_once(settings: Any):
    settings.STARPORT_AUDIT_FLUSH_MS = 60_000
    reports = [report(name) for name in ("a", "b", "c")]

    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        recording.remember_list("http", reports)
        recorded = AuditRecord.objects.filter(fact_kind="instance_status_changed").count()

    heads = [
        number
        for number, query in enumerate(captured)
        if query["sql"].startswith('UPDATE "accounts_audithead"')
    ]
    rows = [n for n, query in enumerate(captured) if '"instances_instance"' in query["sql"]]
    assert recorded == 3
    assert len(heads) == 1 and heads[0] > max(rows)
