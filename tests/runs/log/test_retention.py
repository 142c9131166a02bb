"""What is deleted once it has served its time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from runs.models import IdempotencyRecord, MailboxItem
from runs.services.retention import IDEMPOTENCY_KEPT, forget_old_records
from tests.runs.inspector.logs import plain_turn, write_run

pytestmark = pytest.mark.django_db


def test_mail_that_came_too_late_is_deleted_and_other_mail_is_kept():
    ended, going = write_run(), write_run(plain_turn(), end="")
    for run in (ended, going):
        MailboxItem.objects.create(run=run, kind=MailboxItem.Kind.INJECT, body={"content": "hi"})

    assert forget_old_records() == 1
    assert [item.run_id for item in MailboxItem.objects.all()] == [going.id]


def test_a_first_answer_is_kept_for_a_day():
    for key, age in (("old", IDEMPOTENCY_KEPT), ("young", IDEMPOTENCY_KEPT - timedelta(hours=1))):
        record = IdempotencyRecord.objects.create(
            scope="me", key=key, body_hash=b"x" * 32, status_code=202, response={}
        )
        IdempotencyRecord.objects.filter(pk=record.pk).update(created_at=timezone.now() - age)

    forget_old_records()

    assert [record.key for record in IdempotencyRecord.objects.all()] == ["young"]
