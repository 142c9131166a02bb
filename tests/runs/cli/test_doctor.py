"""`manage.py doctor`: one line per question, and an exit code for all of them."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import AuditRecord
from runs.tools.registry import get_registry
from tests.factories import make_key
from tests.runs.cli.conftest import GOLDEN_GOAL, WAITING_GOAL, queue


def test_a_healthy_installation_exits_0(doctor, execute):
    execute(GOLDEN_GOAL, WAITING_GOAL)
    make_key()

    result = doctor()

    assert result.code == 0
    assert all(line.startswith("✓ ") for line in result.lines)
    assert notes(result)["models"] == "scripted/scripted by default"
    assert notes(result)["log chains"] == "2 runs valid, 1 of them in progress"


def test_names_are_padded_to_22(doctor):
    assert doctor().lines[1].startswith("✓ data folder            /")


def test_it_names_a_broken_chain(doctor, execute):
    [run_id] = execute("hello")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE runs_event SET ts = 1 WHERE run_id = %s AND seq = 2", [run_id])

    for arguments in ([], ["--all"]):
        result = doctor(*arguments)

        assert result.code == 1
        assert f"✗ {'log chains':<22} {run_id}: hash_mismatch at seq 2" in result.out


def test_it_names_a_broken_audit_trail(doctor):
    make_key()
    seq = AuditRecord.objects.order_by("seq").values_list("seq", flat=True)[0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditrecord SET actor = 'x' WHERE seq = %s", [seq])

    result = doctor()

    assert result.code == 1
    assert f"✗ {'audit chain':<22} record {seq}: " in result.out


def test_a_model_without_its_key_is_a_problem(doctor, settings):
    settings.MODEL_NAMES = ["openai:gpt-9"]
    settings.OPENAI_API_KEY = ""

    result = doctor()

    assert result.code == 1
    assert f"✗ {'models':<22} STARPORT_MODELS names openai:gpt-9" in result.out


def test_a_full_queue_is_a_problem(doctor, settings):
    settings.STARPORT_QUEUE = 1
    queue("later")

    result = doctor()

    assert result.code == 1
    assert notes(result)["queue"] == "1 of 1 waiting, 0 running"


def test_a_tool_that_could_not_be_loaded_is_a_problem(doctor):
    get_registry().report("tests", "plugin tests: it broke")
    try:
        result = doctor()
    finally:
        get_registry().report("tests")

    assert result.code == 1
    assert notes(result)["tools"] == "plugin tests: it broke"


@pytest.fixture
def newer_database(transactional_db):
    recorder = MigrationRecorder(connection)
    recorder.record_applied("runs", "9999_future")
    yield
    recorder.record_unapplied("runs", "9999_future")


def test_a_database_of_a_newer_program_is_refused(doctor, cli, newer_database):
    result = doctor()

    assert result.code == 1
    assert notes(result)["schema"].startswith("the database is newer than this program")
    assert cli("list").err.startswith("runs: the database is newer than this program")


def test_secrets_are_not_shown(doctor, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")

    result = doctor()

    assert notes(result)["provider keys"] == "OPENAI_API_KEY"
    assert "sk-very-secret" not in result.out


def notes(result):
    return {line[2:24].strip(): line[25:] for line in result.lines}
