"""A log that was tampered with names where and why."""

import pytest
from django.core.files.storage import storages
from django.db import connection

from project.lib.db import write_transaction
from runs import artifacts
from runs.errors import InvalidInput, RunNotFound
from runs.event_types import (
    AssistantMessageCompleted,
    RunStarted,
    ToolCallCompleted,
    ToolCallScheduled,
    TurnStarted,
    UserMessageAppended,
)
from runs.log.append import RunTail, commit
from runs.log.rebuild import rebuild_run
from runs.log.redact import redact_event
from runs.log.validate import validate_run
from runs.models import Event, ExternalPayload, Run

pytestmark = pytest.mark.django_db

TURN = "01TURN"


def answer(text, **fields):
    return AssistantMessageCompleted(TURN, text, "stop", 1, 1, 0.0, **fields)


HEALTHY = [
    RunStarted(1, "goal", "scripted", "scripted", "v0"),
    TurnStarted(TURN, b"\x00" * 32, 1),
    answer("", tool_uses=[{"call_id": "c1", "tool": "now", "args": {}}]),
    ToolCallScheduled("c1", TURN, "now", {}),
    ToolCallCompleted("c1", {"result": 1}, 0),
    TurnStarted(TURN, b"\x00" * 32, 1),
    answer("done"),
]


def write_run(payloads, *, end=True):
    """A run whose log holds `payloads` and, unless told otherwise, ends successfully."""
    run = Run.objects.create(goal="goal", status="running", lease_token="mine")
    tail = RunTail.load(run, lease_token="mine")
    for payload in payloads:
        tail.add(payload)
    if end:
        tail.add_completed("done")
    with write_transaction():
        commit([tail.stage()])
    run.refresh_from_db()
    return run


def change(run, seq, column, value):
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE runs_event SET {column} = %s WHERE run_id = %s AND seq = %s",  # noqa: S608
            [value, run.id, seq],
        )


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def test_a_healthy_run_is_valid():
    assert validate_run(write_run(HEALTHY).id).is_valid


def test_a_run_in_progress_is_checked_as_far_as_it_goes():
    assert validate_run(write_run(HEALTHY[:3], end=False).id).status == "in_progress"


def test_an_unknown_run_is_empty():
    verdict = validate_run("01NOSUCHRUN")

    assert (verdict.status, verdict.reason) == ("invalid", "empty")


@pytest.mark.parametrize("seq", range(1, 9))
def test_one_flipped_byte_of_any_payload_is_found_where_it_is(seq):
    run = write_run(HEALTHY)
    payload = bytes(Event.objects.get(run=run, seq=seq).payload or b"")

    change(run, seq, "payload", flip(payload))

    verdict = validate_run(run.id)
    assert (verdict.reason, verdict.seq) == ("hash_mismatch", seq)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("ts", 1, "hash_mismatch"),
        ("kind", 2, "hash_mismatch"),
        ("hash", b"\x00" * 32, "hash_mismatch"),
        ("prev_hash", b"\x00" * 32, "prev_hash_mismatch"),
        ("payload", None, "payload_missing"),
    ],
)
def test_a_change_of_any_column_is_found_where_it_is(column, value, reason):
    run = write_run(HEALTHY)

    change(run, 4, column, value)

    verdict = validate_run(run.id)
    assert (verdict.reason, verdict.seq) == (reason, 4)


def test_a_deleted_event_leaves_a_gap():
    run = write_run(HEALTHY)
    Event.objects.filter(run=run, seq=4)._raw_delete("default")

    verdict = validate_run(run.id)

    assert (verdict.reason, verdict.seq) == ("seq_gap", 5)


def test_a_log_cut_short_no_longer_reaches_its_head():
    run = write_run(HEALTHY)
    Event.objects.filter(run=run, seq__gt=5)._raw_delete("default")

    verdict = validate_run(run.id)

    assert (verdict.reason, verdict.seq) == ("truncated", 5)


@pytest.mark.parametrize(
    ("payloads", "reason", "seq"),
    [
        ([UserMessageAppended("no start")], "not_run_started", 1),
        ([RunStarted(2, "g", "p", "m", "v")], "bad_schema_version", 1),
        ([HEALTHY[0], HEALTHY[1], HEALTHY[1]], "turn_not_closed", 3),
        ([HEALTHY[0], answer("out of turn")], "turn_mismatch", 2),
        ([*HEALTHY[:4], HEALTHY[3]], "duplicate_call", 5),
        ([HEALTHY[0], ToolCallCompleted("c9", None, 0)], "orphan_outcome", 2),
        (HEALTHY[:2], "open_turn", 3),
        (HEALTHY[:4], "open_call", 5),
    ],
)
def test_turns_and_calls_must_pair_up(payloads, reason, seq):
    verdict = validate_run(write_run(payloads).id)

    assert (verdict.reason, verdict.seq) == (reason, seq)


def test_a_lost_large_payload_without_a_redaction_record_is_corruption():
    run = write_run([HEALTHY[0], UserMessageAppended("z" * 70_000)])
    digest = ExternalPayload.objects.get(run_id=run.id).digest
    storages["artifacts"].delete(f"{digest[:2]}/{digest[2:4]}/{digest}")

    verdict = validate_run(run.id)

    assert (verdict.reason, verdict.seq) == ("payload_missing", 2)


def test_redaction_removes_the_payload_and_leaves_the_chain_and_root_valid():
    run = write_run([HEALTHY[0], UserMessageAppended("Ada lives in Turin"), *HEALTHY[1:]])

    redact_event(run_id=run.id, seq=2, actor="owner", reason="asked by Ada")

    assert Event.objects.get(run=run, seq=2).payload is None
    assert validate_run(run.id).is_valid


def test_redaction_of_a_large_payload_removes_the_blob_too():
    run = write_run([HEALTHY[0], UserMessageAppended("w" * 70_000)])
    digest = ExternalPayload.objects.get(run_id=run.id).digest

    redact_event(run_id=run.id, seq=2, actor="owner", reason="private")

    with pytest.raises(artifacts.ArtifactMissing):
        artifacts.get(digest)
    assert validate_run(run.id).is_valid


def test_redaction_clears_what_the_row_repeats_of_the_payload():
    run = write_run(HEALTHY)

    redact_event(run_id=run.id, seq=1, actor="owner", reason="private goal")
    redact_event(run_id=run.id, seq=7, actor="owner", reason="private answer")
    redact_event(run_id=run.id, seq=8, actor="owner", reason="private answer")

    run.refresh_from_db()
    assert (run.goal, run.final_text) == ("", "")
    assert validate_run(run.id).is_valid


def test_redaction_needs_a_reason_and_an_event():
    run = write_run(HEALTHY)

    with pytest.raises(InvalidInput):
        redact_event(run_id=run.id, seq=1, actor="owner", reason="  ")
    with pytest.raises(RunNotFound):
        redact_event(run_id=run.id, seq=99, actor="owner", reason="why not")
    with pytest.raises(RunNotFound):
        redact_event(run_id="01NOSUCHRUN", seq=1, actor="owner", reason="why not")


def test_rebuilding_a_healthy_run_changes_nothing():
    assert rebuild_run(write_run(HEALTHY).id) == []


def test_rebuilding_repairs_a_row_that_contradicts_its_log():
    run = write_run(HEALTHY)
    Run.objects.filter(pk=run.id).update(turn_count=99, final_text="forged")

    changed = rebuild_run(run.id)

    run.refresh_from_db()
    assert sorted(changed) == ["final_text", "turn_count"]
    assert (run.turn_count, run.final_text) == (2, "done")
