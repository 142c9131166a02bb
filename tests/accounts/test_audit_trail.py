"""What the audit trail keeps, and that it cannot be changed unnoticed."""

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from blake3 import blake3
from django.db import connection, transaction

from accounts import audit
from accounts.audit import queue
from accounts.errors import AuditIsAppendOnly
from accounts.models import AuditHead, AuditRecord
from accounts.services.users import create_user
from tests.accounts.cast import facts, make_member

pytestmark = pytest.mark.django_db


def record_some(count: int) -> None:
    for n in range(count):
        audit.record("stream_opened", actor=f"actor-{n}", durable=True, code=n)


def rewrite(seq: int, column: str, value: str | int | bytes) -> None:
    """What somebody with access to the database file can do."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE accounts_auditrecord SET {column} = %s WHERE seq = %s",  # noqa: S608
            [value, seq],
        )


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_record_has_the_shape_its_readers_know():
    audit.record(
        "capability_denied",
        actor="alice",
        durable=True,
        capability="runs:cancel",
        route="/v1/runs/x/cancel",
    )

    event = AuditRecord.objects.get().event
    moment = event.pop("ts")
    assert moment.endswith("Z") and len(moment) == len("2026-01-01T00:00:00.123456Z")
    assert event.pop("provenance") == {
        "origin": "system",
        "source": "stargraph.serve.gate",
        "run_id": "",
        "step": 0,
        "confidence": 1.0,
        "timestamp": moment.replace("Z", "+00:00"),
    }
    assert event == {
        "type": "bosun_audit",
        "run_id": "",
        "step": 0,
        "branch_id": None,
        "payload": {},
        "pack_id": "stargraph.serve.gate",
        "pack_version": "1.0",
        "fact": {
            "kind": "capability_denied",
            "actor": "alice",
            "capability": "runs:cancel",
            "route": "/v1/runs/x/cancel",
        },
    }


def test_a_record_about_a_run_names_it_everywhere():
    audit.record(
        "lifecycle_cancel", actor="alice", run_id="R1", pack_id=audit.RUNTIME, durable=True
    )

    record = AuditRecord.objects.get()
    assert record.run_id == record.event["run_id"] == record.event["fact"]["run_id"] == "R1"
    assert record.event["provenance"]["run_id"] == "R1"
    assert record.event["pack_id"] == "stargraph.runtime"


def test_each_record_is_chained_to_the_one_before():
    record_some(3)

    last = bytes(32)
    for seq, record in enumerate(AuditRecord.objects.order_by("seq"), start=1):
        assert record.seq == seq
        assert bytes(record.prev_hash) == last
        last = blake3(last + record.record.encode()).digest()
        assert bytes(record.hash) == last
    assert bytes(AuditHead.objects.get().hash) == last


def test_an_untouched_chain_is_intact():
    assert audit.verify().is_intact

    record_some(5)

    assert audit.verify().is_intact
    assert audit.verify().checked == 5


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("record", json.dumps({"fact": "forged"}), "content does not match"),
        ("hash", hashlib.sha256(b"").digest(), "content does not match"),
        ("prev_hash", bytes(32), "predecessor"),
        ("actor", "somebody-else", "columns"),
        ("fact_kind", "auth_failed", "columns"),
        ("run_id", "R1", "columns"),
        ("ts", 1, "columns"),
    ],
)
def test_a_changed_record_is_named(column, value, reason):
    record_some(5)

    rewrite(3, column, value)

    verdict = audit.verify()
    assert not verdict.is_intact
    assert verdict.seq == 3
    assert reason in verdict.reason


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_removed_record_is_missed(seq):
    record_some(5)

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_auditrecord WHERE seq = %s", [seq])

    verdict = audit.verify()
    assert verdict.seq == seq
    assert "missing" in verdict.reason


def test_our_own_code_cannot_change_or_remove_a_record():
    record_some(1)
    record = AuditRecord.objects.get()

    for attempt in (
        record.save,
        record.delete,
        AuditRecord.objects.all().delete,
        lambda: AuditRecord.objects.update(actor="nobody"),
    ):
        with pytest.raises(AuditIsAppendOnly):
            attempt()


def test_records_outlive_the_user_they_are_about():
    member = make_member()
    before = AuditRecord.objects.count()

    member.user.delete()

    assert AuditRecord.objects.count() == before
    assert audit.verify().is_intact


def test_a_durable_record_shares_the_fate_of_its_transaction():
    before = AuditRecord.objects.count()

    with pytest.raises(RuntimeError), transaction.atomic():
        create_user(actor="test")
        raise RuntimeError

    assert AuditRecord.objects.count() == before
    assert audit.verify().is_intact


def test_text_that_cannot_be_encoded_is_recorded_all_the_same():
    audit.record("auth_failed", actor=None, durable=True, route="/v1/\udce4")

    assert facts("auth_failed")[0]["route"] == "/v1/?"
    assert audit.verify().is_intact


# --- The background thread --------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_allowed_decisions_are_stored_soon_without_being_asked_for(flush_audit):
    audit.record("capability_granted", actor="alice", capability="runs:read", route="/v1/runs")

    eventually(AuditRecord.objects.exists)  # the thread's own doing: nobody flushes
    assert facts("capability_granted")[0]["actor"] == "alice"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_lost_or_broken_when_many_threads_record_at_once(flush_audit):
    def record(n: int) -> None:
        try:
            for i in range(50):
                durable = i % 10 == 0
                audit.record("capability_granted", actor=f"thread-{n}", durable=durable, i=i)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(8)))
    audit.flush()

    assert AuditRecord.objects.count() == 400
    assert audit.verify().is_intact


@pytest.mark.django_db(transaction=True)
def test_a_full_queue_makes_the_caller_write_and_drops_nothing(flush_audit, settings):
    settings.STARPORT_AUDIT_FLUSH_MS = 60_000  # the thread will not come in time

    for n in range(queue.CAPACITY + 1):
        audit.record("capability_granted", actor="alice", i=n)

    assert AuditRecord.objects.count() >= queue.CAPACITY + 1 - queue.BATCH
    audit.flush()
    assert AuditRecord.objects.count() == queue.CAPACITY + 1


@pytest.mark.django_db(transaction=True)
def test_a_decision_recorded_in_a_transaction_counts_once_it_commits(flush_audit):
    with transaction.atomic():
        audit.record("run_enqueued", actor="alice", run_id="kept")
    with pytest.raises(RuntimeError), transaction.atomic():
        audit.record("run_enqueued", actor="alice", run_id="undone")
        raise RuntimeError
    audit.flush()

    assert [fact["run_id"] for fact in facts("run_enqueued")] == ["kept"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_refuses_for_a_while_loses_nothing(flush_audit):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditrecord RENAME TO accounts_auditrecord_away")
    audit.record("capability_granted", actor="alice")
    with pytest.raises(Exception, match="accounts_auditrecord"):
        audit.flush()

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditrecord_away RENAME TO accounts_auditrecord")
    audit.flush()

    assert [fact["actor"] for fact in facts("capability_granted")] == ["alice"]
    assert audit.verify().is_intact
