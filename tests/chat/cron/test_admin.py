"""Cron jobs in the admin: they are read there, run, enabled and disabled."""

import pytest
from django.test import Client

from chat.cron.firing import run_now
from chat.models import CronJob
from runs.models import Run
from tests.chat.cron.scheduling import Scheduling
from tests.factories import make_user

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/cronjob/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_user(role="admin"))
    return client


@pytest.fixture
def job() -> CronJob:
    schedule = {"kind": "cron", "expr": "0 9 * * *"}
    return Scheduling(make_user().pk).make_job("Write <b>it</b>.", schedule=schedule)


def act(admin: Client, action: str, job: CronJob) -> str:
    answer = admin.post(LIST, {"action": action, "_selected_action": job.pk}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_jobs_and_their_records_have_pages(admin: Client, job: CronJob):
    record = run_now(job.pk)

    pages = [
        admin.get(address).content.decode()
        for address in (
            LIST,
            f"{LIST}{job.pk}/change/",
            "/admin/chat/cronrun/",
            f"/admin/chat/cronrun/{record.pk}/change/",
        )
    ]

    assert all(job.name in page for page in pages)
    assert "Write &lt;b&gt;it&lt;/b&gt;." in pages[1]
    assert record.run_id in pages[2] and record.run_id in pages[3]


def test_they_cannot_be_written_there(admin: Client, job: CronJob):
    for address in (f"{LIST}add/", f"{LIST}{job.pk}/delete/", "/admin/chat/cronrun/add/"):
        assert admin.get(address).status_code == 403
    admin.post(f"{LIST}{job.pk}/change/", {"name": "another"})
    job.refresh_from_db()
    assert job.name == "job"


def test_a_job_is_run_disabled_and_enabled(admin: Client, job: CronJob):
    assert "job is running." in act(admin, "run_now", job)
    assert "under way" in act(admin, "run_now", job)
    assert "job is disabled." in act(admin, "disable", job)
    job.refresh_from_db()
    assert (job.enabled, job.next_run_at) == (False, None)
    assert "job is enabled." in act(admin, "enable", job)
    job.refresh_from_db()
    assert job.next_run_at is not None
    assert Run.objects.count() == 1


def test_only_those_who_may_manage_act(client: Client, job: CronJob):
    client.force_login(make_user(role="viewer"))

    client.post(LIST, {"action": "run_now", "_selected_action": job.pk})

    assert not job.runs.exists()
