"""Whoever writes a job's prompt decides what is done, within what they may do themselves."""

from typing import Any

import pytest

from chat.cron.firing import run_now
from chat.models import CronJob, Exchange
from tests.chat.callers import Caller, make_caller
from tests.factories import make_key, make_user

pytestmark = pytest.mark.django_db(transaction=True)

HOURLY = {"kind": "interval", "every_ms": 3_600_000}


@pytest.fixture
def job_of_two_keys(db: None) -> tuple[CronJob, Caller, str]:
    """A job that a user made with all their rights, and their key for chats alone."""
    user = make_user()
    full = _caller(make_key(user=user).secret)
    made = full.post("/api/cron/jobs", {"name": "j", "prompt": "hello", "schedule": HOURLY})
    assert made.status_code == 201, made.content
    limited = make_key(user=user, limited_to=["chat:use"])
    return CronJob.objects.get(pk=made.json()["id"]), _caller(limited.secret), limited.key.pk


def _caller(secret: str) -> Caller:
    caller = Caller()
    caller._client.defaults["HTTP_X_API_KEY"] = secret
    return caller


def test_a_limited_key_that_changes_the_prompt_borrows_no_rights(job_of_two_keys: Any):
    job, limited, key_id = job_of_two_keys
    assert "memory:write" in job.granted

    changed = limited.put(f"/api/cron/jobs/{job.pk}", {"prompt": "!tool memory_write {}"})
    record = run_now(job.pk)

    assert changed.status_code == 200
    exchange = Exchange.objects.get(idempotency_key=record.pk)
    assert (exchange.granted, exchange.api_key_id) == (["chat:use"], key_id)


def test_other_changes_leave_the_job_its_rights(job_of_two_keys: Any):
    job, limited, _ = job_of_two_keys

    assert limited.put(f"/api/cron/jobs/{job.pk}", {"max_retries": 1}).status_code == 200

    assert CronJob.objects.get(pk=job.pk).granted == job.granted


def test_the_assistants_job_gains_nothing_from_an_administrator_who_edits_it(db: None):
    job = CronJob.objects.create(name="a", prompt="x", schedule=HOURLY, created_at=0)

    answer = make_caller("admin").put(f"/api/cron/jobs/{job.pk}", {"prompt": "y"})

    assert answer.status_code == 200
    granted = CronJob.objects.get(pk=job.pk).granted or []
    assert "chat:use" in granted and "settings:manage" not in granted
