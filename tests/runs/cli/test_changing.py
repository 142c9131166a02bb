"""`runs cancel`, `runs rebuild` and `runs redact`."""

import json

import pytest

from accounts.models import AuditRecord
from accounts.principals import DAEMON
from runs.log.projection import PROJECTED_FIELDS
from runs.models import Run
from runs.services.lifecycle import respond
from tests.runs.cli.conftest import GOLDEN_GOAL, WAITING_GOAL, queue


def test_cancel_ends_a_waiting_and_a_queued_run(cli, execute):
    [waiting] = execute(WAITING_GOAL)
    queued = queue("later")

    for run_id in (waiting, queued):
        result = cli("cancel", run_id)

        assert (result.code, result.out) == (0, f"cancelled {run_id}\n")
        assert Run.objects.get(pk=run_id).status == Run.Status.CANCELLED
        assert cli("validate", run_id).code == 0
        assert AuditRecord.objects.filter(fact_kind="lifecycle_cancel", run_id=run_id).exists()


def test_cancel_refuses_a_run_that_has_ended(cli, execute):
    [run_id] = execute("hello")

    result = cli("cancel", run_id)

    assert (result.code, result.out) == (1, "")
    assert result.err == f"runs: run {run_id} has ended already\n"


def test_rebuild_changes_nothing_in_a_healthy_database(cli, execute):
    execute(GOLDEN_GOAL, "hello", "!fail auth", WAITING_GOAL)
    queue("later")
    before = rows()

    result = cli("rebuild")

    assert (result.code, result.out) == (0, "changed 0 of 4 runs\n")
    assert rows() == before


def test_rebuild_repairs_what_the_log_knows_better(cli, execute):
    damaged, _ = execute(GOLDEN_GOAL, "hello")
    before = rows()
    Run.objects.filter(pk=damaged).update(turn_count=9, final_text="lies", head_seq=1)

    tried = cli("rebuild", "--dry-run")
    result = cli("rebuild")

    assert tried.lines == [
        f"{damaged}\thead_seq, turn_count, final_text",
        "would change 1 of 2 runs",
    ]
    assert result.lines == [f"{damaged}\thead_seq, turn_count, final_text", "changed 1 of 2 runs"]
    assert rows() == before


def test_rebuild_dry_run_leaves_the_row_alone(cli, execute):
    [run_id] = execute("hello")
    Run.objects.filter(pk=run_id).update(turn_count=9)

    cli("rebuild", run_id, "--dry-run")

    assert Run.objects.get(pk=run_id).turn_count == 9


@pytest.mark.parametrize("kept", [1, 5, 11])
def test_rebuild_does_not_agree_with_a_log_that_was_cut(cli, execute, kept):
    [run_id] = execute(GOLDEN_GOAL)
    Run.objects.get(pk=run_id).events.filter(seq__gt=kept).delete()

    result = cli("rebuild", run_id)

    assert result.code == 1
    assert f"{run_id}\tCORRUPT: truncated at seq {kept}" in result.out
    assert Run.objects.get(pk=run_id).head_seq == 12


def test_rebuild_gives_an_unfinished_run_that_nobody_executes_back_to_the_queue(cli, execute):
    [run_id] = execute(WAITING_GOAL)
    respond(run_id=run_id, response="yes", caller=DAEMON)
    Run.objects.filter(pk=run_id).update(status="done", terminal_kind=12)

    result = cli("rebuild", run_id)

    assert result.lines[0] == f"{run_id}\tstatus, terminal_kind"
    assert Run.objects.get(pk=run_id).status == Run.Status.PENDING


def test_redact_removes_the_payload_and_keeps_the_chain(cli, execute):
    [run_id] = execute("my name is Ada")

    result = cli("redact", run_id, "1", "--reason", "a person's data")

    assert (result.code, result.out) == (0, f"redacted event 1 of {run_id}\n")
    assert cli("validate", run_id).out == f"{run_id}\tOK\n"
    first = json.loads(cli("export", run_id).lines[0])
    assert (first["payload"], first["redacted"]) == (None, True)
    assert "a person's data" in cli("show", run_id).out
    assert AuditRecord.objects.filter(fact_kind="event_redacted", run_id=run_id).exists()


def test_redacting_twice_keeps_the_first_record(cli, execute):
    [run_id] = execute("hello")
    cli("redact", run_id, "1", "--reason", "first")

    result = cli("redact", run_id, "1", "--reason", "second")

    assert result.code == 0
    assert "was redacted before" in result.out
    assert "first" in cli("show", run_id).out


def test_redact_refuses_a_run_that_still_reads_its_log(cli, execute):
    [run_id] = execute(WAITING_GOAL)

    result = cli("redact", run_id, "1", "--reason", "a person's data")

    assert result.code == 1
    assert result.err == f"runs: run {run_id} has not ended: cancel it, or wait, then redact\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["RUN", "99", "--reason", "x"], "has no event 99"),
        (["RUN", "1", "--reason", " "], "a redaction needs a reason"),
        (["RUN", "one", "--reason", "x"], "'one' is not a whole number"),
        (["RUN", "1"], "the following arguments are required: --reason"),
        (["nobody", "1", "--reason", "x"], "there is no run nobody"),
    ],
)
def test_redact_refuses_nonsense_in_one_line(cli, execute, arguments, complaint):
    [run_id] = execute("hello")

    result = cli("redact", *[run_id if each == "RUN" else each for each in arguments])

    assert (result.code, result.out) == (1, "")
    assert complaint in result.err


def rows():
    return list(Run.objects.order_by("pk").values("pk", *PROJECTED_FIELDS))
