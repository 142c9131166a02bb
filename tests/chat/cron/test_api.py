"""/api/cron/jobs: shapes, whose jobs they are, and what is refused."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.runs.graph_api.client import PATIENCE_SECONDS

HOURLY = {"kind": "interval", "every_ms": 3_600_000}
JOB_FIELDS = [
    "id", "name", "prompt", "schedule", "enabled", "delete_after_run", "created_at", "last_run_at",
    "next_run_at", "retry_count", "max_retries", "last_error", "retry_at", "timeout_secs",
    "session_mode", "overlap", "catches_up", "user_id",
]  # fmt: skip
RUN_FIELDS = [
    "id", "job_id", "due_at", "attempt", "started_at", "completed_at", "status", "result_summary",
    "session_id", "run_id",
]  # fmt: skip


class Jobs:
    """The jobs of one caller; those made here are deleted in the end."""

    def __init__(self, gateway: Gateway) -> None:
        self.client = gateway.client
        self.made: list[str] = []

    def post(self, **fields: Any) -> Any:
        body = {"name": new_key(), "prompt": "hello", "schedule": HOURLY, **fields}
        answer = self.client.post("/api/cron/jobs", json=body)
        if answer.status_code == 201:
            self.made.append(answer.json()["id"])
        return answer

    def make(self, **fields: Any) -> dict[str, Any]:
        answer = self.post(**fields)
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def put(self, job_id: str, **fields: Any) -> Any:
        return self.client.put(f"/api/cron/jobs/{job_id}", json=fields)

    def delete(self, job_id: str) -> Any:
        return self.client.delete(f"/api/cron/jobs/{job_id}")

    def ids(self) -> list[str]:
        return [job["id"] for job in self.client.get("/api/cron/jobs").json()]

    def runs(self, job_id: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.client.get(f"/api/cron/jobs/{job_id}/runs", params=query)
        assert answer.status_code == 200, answer.text
        runs: list[dict[str, Any]] = answer.json()
        return runs

    def run_now(self, job_id: str) -> Any:
        return self.client.post(f"/api/cron/jobs/{job_id}/run")

    def until_closed(self, job_id: str) -> dict[str, Any]:
        """The newest record, once nothing of the job is under way."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            runs = self.runs(job_id)
            if runs and all(run["status"] not in ("pending", "running") for run in runs):
                return runs[0]
            assert time.monotonic() < deadline, runs
            time.sleep(0.05)


@pytest.fixture
def jobs(gateway: Gateway) -> Iterator[Jobs]:
    jobs = Jobs(gateway)
    yield jobs
    for job_id in jobs.made:
        jobs.delete(job_id)


@pytest.fixture
def user_jobs(as_role: AsRole) -> Iterator[Jobs]:
    jobs = Jobs(as_role("user"))
    yield jobs
    for job_id in jobs.made:
        jobs.delete(job_id)


def test_a_new_job_has_the_defaults_of_the_settings_and_its_next_time(jobs: Jobs):
    before = int(time.time())

    job = jobs.make(name="report " + new_key(), prompt="Write it.")

    assert list(job) == JOB_FIELDS
    assert job["next_run_at"] == job["created_at"] + 3_600
    assert before <= job["created_at"] <= int(time.time())
    expected = {
        "prompt": "Write it.", "schedule": HOURLY, "enabled": True, "delete_after_run": False,
        "last_run_at": None, "retry_count": 0, "max_retries": 3, "last_error": None,
        "retry_at": None, "timeout_secs": 7200, "session_mode": "isolated", "overlap": "skip",
        "catches_up": True,
    }  # fmt: skip
    assert {name: job[name] for name in expected} == expected


def test_the_schedule_that_was_changed_is_the_one_that_counts(jobs: Jobs):
    job = jobs.make()

    changed = jobs.put(job["id"], schedule={"kind": "interval", "every_ms": 60_000}).json()
    same = jobs.put(job["id"], prompt="Something else.").json()

    assert job["next_run_at"] - 3_600 <= changed["next_run_at"] - 60 <= int(time.time())
    assert (same["prompt"], same["next_run_at"]) == ("Something else.", changed["next_run_at"])


def test_a_disabled_job_has_no_next_time_until_it_is_enabled(jobs: Jobs):
    job = jobs.make(enabled=False)

    enabled = jobs.put(job["id"], enabled=True).json()
    disabled = jobs.put(job["id"], enabled=False).json()

    assert job["next_run_at"] is disabled["next_run_at"] is None
    assert enabled["next_run_at"] > int(time.time())


def test_a_deleted_job_is_gone(jobs: Jobs):
    job = jobs.make()

    gone = jobs.delete(job["id"])

    assert (gone.status_code, gone.content) == (204, b"")
    assert job["id"] not in jobs.ids()
    assert jobs.delete(job["id"]).status_code == 404


def test_a_job_that_is_run_now_leaves_a_record_and_an_unread_session(jobs: Jobs, gateway: Gateway):
    job = jobs.make(prompt="!say All is well.")

    started = jobs.run_now(job["id"])
    record = jobs.until_closed(job["id"])

    assert started.status_code == 202
    assert list(started.json()) == list(record) == RUN_FIELDS
    assert (record["status"], record["result_summary"]) == ("success", "All is well.")
    assert (record["attempt"], record["job_id"]) == (-1, job["id"])
    assert gateway.get(f"/api/sessions/{record['session_id']}")["is_read"] is False
    run = gateway.get(f"/v1/runs/{record['run_id']}")
    assert (run["status"], run["trigger_source"]) == ("done", "cron")
    assert jobs.runs(job["id"], limit=1) == [record]


def test_a_run_that_is_under_way_is_not_started_beside_itself(jobs: Jobs, gateway: Gateway):
    job = jobs.make(prompt="!sleep 120\n!say awake")
    run_id = jobs.run_now(job["id"]).json()["run_id"]

    again = jobs.run_now(job["id"])

    assert again.status_code == 409
    assert "under way" in again.json()["error"]
    assert gateway.client.post(f"/v1/runs/{run_id}/cancel").status_code == 200
    assert jobs.until_closed(job["id"])["result_summary"] == "Cancelled"


def test_other_peoples_jobs_do_not_exist(jobs: Jobs, user_jobs: Jobs, as_role: AsRole):
    theirs = user_jobs.make()
    stranger = Jobs(as_role("user"))

    assert theirs["id"] in user_jobs.ids() and theirs["id"] in jobs.ids()
    assert theirs["id"] not in stranger.ids()
    for answer in (
        stranger.put(theirs["id"], prompt="mine"),
        stranger.delete(theirs["id"]),
        stranger.run_now(theirs["id"]),
        stranger.client.get(f"/api/cron/jobs/{theirs['id']}/runs"),
        user_jobs.put("unknown", prompt="mine"),
        user_jobs.put("%00", prompt="mine"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"error": "Cron job not found"})


def test_administrators_make_jobs_for_others_and_for_the_assistant(jobs: Jobs, user_jobs: Jobs):
    me = user_jobs.make()["user_id"]

    assert jobs.make(user_id=me)["user_id"] == me
    assert jobs.make(user_id="")["user_id"] is None
    assert jobs.post(user_id="nobody").status_code == 400
    assert user_jobs.make(user_id=me)["user_id"] == me
    assert user_jobs.post(user_id="").status_code == 403


def test_a_name_is_one_job_of_its_owner(jobs: Jobs, user_jobs: Jobs):
    job = jobs.make()
    other = jobs.make()

    assert jobs.post(name=job["name"]).status_code == 409
    assert jobs.put(other["id"], name=job["name"]).status_code == 409
    assert user_jobs.post(name=job["name"]).status_code == 201


def test_the_heartbeats_name_is_reserved(jobs: Jobs):
    assert jobs.post(name="__heartbeat__").status_code == 400
    assert jobs.put(jobs.make()["id"], name="__heartbeat__").status_code == 400


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"schedule": {"kind": "one_shot", "at": "2020-01-01T00:00:00Z"}}, 400, "schedule.at"),
        ({"schedule": {"kind": "interval", "every_ms": 999}}, 400, "schedule.every_ms"),
        ({"schedule": {"kind": "interval", "every_ms": "1h"}}, 422, "schedule.every_ms"),
        ({"schedule": {"kind": "cron", "expr": "* * *"}}, 400, "schedule.expr"),
        ({"schedule": {"kind": "never"}}, 400, "schedule"),
        ({"schedule": "@daily"}, 422, "schedule"),
        ({"schedule": None}, 422, "schedule"),
        ({"name": ""}, 400, "name"),
        ({"name": "a\nb"}, 400, "name"),
        ({"name": "x" * 201}, 400, "name"),
        ({"name": 5}, 422, "name"),
        ({"prompt": " "}, 400, "prompt"),
        ({"prompt": "a\x00b"}, 400, "NUL"),
        ({"max_retries": 11}, 400, "max_retries"),
        ({"timeout_secs": 0}, 400, "timeout_secs"),
        ({"timeout_secs": 86_401}, 400, "timeout_secs"),
        ({"session_mode": "shared"}, 400, "session_mode"),
        ({"overlap": "often"}, 400, "overlap"),
        ({"catches_up": "yes"}, 422, "catches_up"),
    ],
)
def test_what_is_no_job_is_refused_by_name_and_changes_nothing(
    jobs: Jobs, fields: dict[str, Any], status: int, said: str
):
    job = jobs.make()
    before = jobs.client.get("/api/cron/jobs").json()

    answers = [jobs.post(**fields)]
    if None not in fields.values():
        answers.append(jobs.put(job["id"], **fields))

    for answer in answers:
        assert answer.status_code == status, answer.text
        assert said in answer.json()["error"]
    assert jobs.client.get("/api/cron/jobs").json() == before


def test_a_limit_that_is_none_is_refused(jobs: Jobs):
    job = jobs.make()

    for limit in ("0", "-1", "many"):
        answer = jobs.client.get(f"/api/cron/jobs/{job['id']}/runs", params={"limit": limit})
        assert answer.status_code == 400


def test_jobs_ask_for_the_capability_to_chat(as_role: AsRole):
    viewer = Jobs(as_role("viewer"))

    assert viewer.client.get("/api/cron/jobs").status_code == 403
    assert viewer.post().status_code == 403
