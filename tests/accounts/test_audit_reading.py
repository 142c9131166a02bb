"""Every way to narrow the audit trail finds its rows by an index, however long it is."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from accounts.audit.reading import AuditFilter, matching

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AuditFilter(), "audit_by_time"),
        (AuditFilter(kind="auth_failed"), "audit_by_kind"),
        (AuditFilter(actor="alice"), "audit_by_actor"),
        (AuditFilter(run_id="R1"), "audit_by_run"),
        (AuditFilter(since=NOON), "audit_by_time"),
        (AuditFilter(until=NOON), "audit_by_time"),
        (AuditFilter(kind="auth_failed", since=NOON, until=NOON), "audit_by_kind"),
    ],
    ids=str,
)
def test_a_filter_has_its_index(wanted: AuditFilter, index: str):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # an empty table is read whole, whatever indexes it has
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")

    plan = matching(wanted)[:100].explain()

    assert index in plan
    assert "SCAN accounts_auditrecord\n" not in f"{plan}\n"
