"""`runs validate`: a log that was touched is named, with the place and the reason."""

import pytest
from django.db import connection

from tests.runs.cli.conftest import GOLDEN_GOAL, WAITING_GOAL

MIDDLE, LAST = 5, 12


def test_it_says_ok_for_every_sound_log(cli, execute):
    ids = execute(GOLDEN_GOAL, "hello", "!fail auth")

    result = cli("validate")

    assert result.code == 0
    assert result.lines == [f"{run_id}\tOK" for run_id in sorted(ids)]


def test_it_says_so_when_there_are_no_runs(cli):
    result = cli("validate")

    assert (result.code, result.out) == (0, "(no runs)\n")


@pytest.mark.parametrize(
    ("column", "seq", "reason"),
    [
        ("payload", 1, "hash_mismatch at seq 1"),
        ("payload", MIDDLE, f"hash_mismatch at seq {MIDDLE}"),
        ("payload", LAST, f"hash_mismatch at seq {LAST}"),
        ("hash", MIDDLE, f"hash_mismatch at seq {MIDDLE}"),
        ("hash", LAST, f"hash_mismatch at seq {LAST}"),
        ("prev_hash", MIDDLE, f"prev_hash_mismatch at seq {MIDDLE}"),
        ("ts", MIDDLE, f"hash_mismatch at seq {MIDDLE}"),
        ("ts", LAST, f"hash_mismatch at seq {LAST}"),
        ("kind", MIDDLE, f"hash_mismatch at seq {MIDDLE}"),
        ("seq", MIDDLE, f"seq_gap at seq {MIDDLE + 1}: expected seq {MIDDLE}"),
        ("run_id", MIDDLE, f"seq_gap at seq {MIDDLE + 1}: expected seq {MIDDLE}"),
    ],
)
def test_it_names_run_seq_and_reason_of_one_flipped_byte(cli, execute, column, seq, reason):
    if column == "run_id" and connection.vendor == "postgresql":
        pytest.skip("PostgreSQL refuses an event of a run that does not exist")
    touched, sound = execute(GOLDEN_GOAL, "hello")
    flip_a_byte(touched, seq, column)

    result = cli("validate")

    assert result.code == 1
    assert set(result.lines) == {f"{touched}\tCORRUPT: {reason}", f"{sound}\tOK"}


def test_it_names_a_deleted_row(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)
    change("DELETE FROM runs_event WHERE run_id = %s AND seq = %s", run_id, MIDDLE)

    result = cli("validate", run_id)

    assert (result.code, result.out) == (
        1,
        f"{run_id}\tCORRUPT: seq_gap at seq {MIDDLE + 1}: expected seq {MIDDLE}\n",
    )


@pytest.mark.parametrize("kept", [LAST - 1, 3])
def test_it_names_a_tail_that_was_cut_off(cli, execute, kept):
    [run_id] = execute(GOLDEN_GOAL)
    change("DELETE FROM runs_event WHERE run_id = %s AND seq > %s", run_id, kept)

    result = cli("validate", run_id)

    assert (result.code, result.out) == (
        1,
        f"{run_id}\tCORRUPT: truncated at seq {kept}: the head is seq {LAST}\n",
    )


def test_it_names_a_log_that_was_emptied(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)
    change("DELETE FROM runs_event WHERE run_id = %s", run_id)

    result = cli("validate")

    assert (result.code, result.out) == (1, f"{run_id}\tCORRUPT: empty\n")


def test_it_names_a_payload_that_vanished_without_a_redaction(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)
    change("UPDATE runs_event SET payload = NULL WHERE run_id = %s AND seq = %s", run_id, MIDDLE)

    result = cli("validate", run_id)

    assert (result.code, result.out) == (
        1,
        f"{run_id}\tCORRUPT: payload_missing at seq {MIDDLE}\n",
    )


def test_a_run_in_progress_is_not_ok(cli, execute):
    [run_id] = execute(WAITING_GOAL)

    result = cli("validate", run_id)

    assert result.code == 1
    assert result.out.startswith(f"{run_id}\tCORRUPT: not_terminal at seq ")


def test_a_log_it_cannot_read_does_not_hide_the_others(cli, execute):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps to the types of its columns")
    unreadable, sound = execute(GOLDEN_GOAL, "hello")
    change("UPDATE runs_event SET ts = 'noon' WHERE run_id = %s AND seq = 2", unreadable)

    result = cli("validate")

    assert result.code == 1
    assert f"{sound}\tOK" in result.lines
    assert any(line.startswith(f"{unreadable}\tERROR: ") for line in result.lines)


def test_an_unknown_run_is_one_line(cli):
    result = cli("validate", "nobody")

    assert (result.code, result.out, result.err) == (1, "", "runs: there is no run nobody\n")


def flip_a_byte(run_id: str, seq: int, column: str) -> None:
    select = f"SELECT {column} FROM runs_event WHERE run_id = %s AND seq = %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(select, [run_id, seq])
        value = flipped(cursor.fetchone()[0])
    with connection.constraint_checks_disabled():
        change(
            f"UPDATE runs_event SET {column} = %s WHERE run_id = %s AND seq = %s",  # noqa: S608
            value,
            run_id,
            seq,
        )


def flipped(value):
    """`value` with one bit of one byte inverted."""
    if isinstance(value, int):
        return value ^ 64
    if isinstance(value, str):
        return f"{value[:-1]}{chr(ord(value[-1]) ^ 1)}"
    data = bytearray(bytes(value))
    data[len(data) // 2] ^= 1
    return bytes(data)


def change(statement: str, *values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
