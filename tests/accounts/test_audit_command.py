"""`manage.py audit`."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import audit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _records():
    audit.record("stream_opened", actor="alice", run_id="R1", durable=True)
    audit.record("stream_closed", actor="alice", run_id="R1", durable=True, code=1000)
    audit.record("auth_failed", actor="bob", durable=True, route="/v1/runs")


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    call_command("audit", "list", *arguments)
    return capsys.readouterr().out.splitlines()


def test_list_is_newest_first(capsys):
    kinds = [line.split("\t")[2] for line in listed(capsys)]

    assert kinds == ["auth_failed", "stream_closed", "stream_opened"]


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        (("--kind", "auth_failed"), ["3"]),
        (("--actor", "alice"), ["2", "1"]),
        (("--run", "R1"), ["2", "1"]),
        (("--run", "R1", "--limit", "1"), ["2"]),
        (("--actor", "nobody"), []),
        (("--offset", "1", "--limit", "1"), ["2"]),
        (("--since", "2020-01-01", "--until", "2100-01-01T00:00:00Z", "--run", "R1"), ["2", "1"]),
        (("--until", "2020-01-01T00:00:00+02:00"), []),
    ],
)
def test_list_can_be_narrowed(capsys, arguments, seqs):
    assert [line.split("\t")[0] for line in listed(capsys, *arguments)] == seqs


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--offset", "-1"), ("--limit", "0")])
def test_list_refuses_what_makes_no_sense(arguments):
    with pytest.raises(CommandError, match=f"argument {arguments[0]}"):
        call_command("audit", "list", *arguments)


def test_list_as_json_has_the_whole_records(capsys):
    newest = json.loads(listed(capsys, "--json")[0])

    assert newest["type"] == "bosun_audit"
    assert newest["fact"] == {"kind": "auth_failed", "actor": "bob", "route": "/v1/runs"}


def test_verify_says_how_much_it_checked(capsys):
    call_command("audit", "verify")

    assert capsys.readouterr().out == "OK: 3 records, chain intact\n"


def test_verify_fails_and_names_the_first_break():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditrecord SET actor = 'mallory' WHERE seq = 2")

    with pytest.raises(CommandError, match="BROKEN at record 2") as failure:
        call_command("audit", "verify")

    assert failure.value.returncode == 1
