"""`runs prune`: says what would go, and deletes only when told to."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages

from accounts.models import AuditRecord
from runs import artifacts
from runs.models import Event, Run
from runs.services.artifacts import keep_artifact
from tests.runs.cli.conftest import GOLDEN_GOAL, WAITING_GOAL, queue


def test_without_confirm_it_deletes_nothing(cli, execute):
    ids = execute(GOLDEN_GOAL, "hello")

    result = cli("prune", "--older-than", "0s")

    assert result.code == 0
    assert result.lines[0].startswith("would delete 2 runs (16 events) before 20")
    assert result.lines[1:] == oldest_first(ids)
    assert Run.objects.count() == 2
    assert not AuditRecord.objects.filter(fact_kind="runs_pruned").exists()


def test_with_confirm_it_deletes_whole_runs_and_records_it(cli, execute):
    ids = oldest_first(execute(GOLDEN_GOAL, "hello"))

    result = cli("prune", "--older-than", "0s", "--confirm")

    assert result.code == 0
    assert result.lines[0].startswith("deleted 2 runs (16 events) before 20")
    assert result.lines[1:] == ids
    assert not Run.objects.exists()
    assert not Event.objects.exists()
    record = AuditRecord.objects.get(fact_kind="runs_pruned")
    assert record.event["fact"]["run_ids"] == ids
    assert record.actor.startswith("manage.py:")


def test_it_keeps_younger_and_unfinished_and_queued_runs(cli, execute):
    execute("hello", WAITING_GOAL)
    queue("later")
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()

    assert cli("prune", "--before", an_hour_ago, "--confirm").lines[0].startswith("deleted 0 runs")
    assert cli("prune", "-older-than", "0s", "-confirm").lines[0].startswith("deleted 1 runs")
    assert Run.objects.count() == 2


def test_it_takes_unfinished_runs_when_asked(cli, execute):
    [run_id] = execute(WAITING_GOAL)

    result = cli("prune", "--older-than", "0s", "--include-in-progress", "--confirm")

    assert result.lines[1:] == [run_id]
    assert not Run.objects.exists()


def test_it_filters_by_status_and_limits(cli, execute):
    _, failed, _ = execute("hello", "!fail auth", "hello again")

    assert cli("prune", "--older-than", "0s", "--status", "failed").lines[1:] == [failed]
    assert len(cli("prune", "--older-than", "0s", "--limit", "2").lines[1:]) == 2


def test_orphans_are_blobs_older_than_a_day_that_no_run_has(cli, tmp_path, settings):
    store = {"BACKEND": "runs.artifact_folder.ArtifactFolder", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "artifacts": store}
    run = Run.objects.create(goal="goal")
    needed = blob(keep_artifact(run.id, "", 0, "a", "", b"needed").digest)
    old, young = blob(artifacts.put(b"old")), blob(artifacts.put(b"young"))
    unfinished, foreign = Path(f"{old}.0123abcd.part"), Path(f"{old}.txt")
    unfinished.touch()
    foreign.touch()
    yesterday = time.time() - timedelta(days=1, seconds=1).total_seconds()
    for path in (needed, old, unfinished, foreign):
        os.utime(path, (yesterday, yesterday))

    assert cli("prune", "--orphans").lines == ["would delete 2 blobs of no run"]
    assert old.exists()
    assert cli("prune", "--orphans", "--confirm").lines == ["deleted 2 blobs of no run"]
    assert not old.exists()
    assert not unfinished.exists()
    assert all(path.exists() for path in (needed, young, foreign))


def blob(digest):
    return Path(storages["artifacts"].path(f"{digest[:2]}/{digest[2:4]}/{digest}"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--older-than", "30d"], "'30d' is not a duration such as 720h"),
        (["--older-than", "-1h"], "--older-than"),
        (["--older-than", "999999999999h"], "is too long"),
        (["--older-than", "9999999h"], "the cutoff is outside the range"),
        (["--before", "yesterday"], "'yesterday' is not an RFC 3339 time"),
        (["--before", "2026-01-31"], "'2026-01-31' is not an RFC 3339 time"),
        (["--before", "2500-01-01T00:00:00Z"], "the cutoff is outside the range"),
        ([], "one of the arguments --older-than --before --orphans is required"),
        (["--orphans", "--limit", "5"], "only --confirm goes with it"),
        (["--older-than", "1h", "--before", "2026-01-31T00:00:00Z"], "not allowed with"),
        (["--older-than", "1h", "--status", "odd"], "--status 'odd' is none of completed"),
        (["--older-than", "1h", "--status", "paused"], "needs --include-in-progress"),
    ],
)
def test_it_refuses_nonsense_in_one_line(cli, arguments, complaint):
    result = cli("prune", *arguments, "--confirm")

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("runs: ")
    assert result.err.count("\n") == 1
    assert complaint in result.err


def oldest_first(ids):
    return list(
        Run.objects.filter(pk__in=ids).order_by("started_ns", "id").values_list("id", flat=True)
    )
