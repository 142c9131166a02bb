"""GET /api/settings/costs: what was spent, by user, model, day, tool and source."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from chat.costs import recording
from chat.models import UsageRow
from runs.models import Event
from tests.chat.callers import Caller
from tests.chat.costs.conftest import CALL, NewPayer
from tests.runs.inspector.logs import write_run

COSTS = "/api/settings/costs"
NOTHING = {
    "total_cost_usd": 0.0, "total_input_tokens": 0, "total_output_tokens": 0,
    "total_cache_read": 0, "total_cache_write": 0, "total_turns": 0,
    "by_user": [], "by_model": [], "by_day": [], "by_tool": [], "by_source": [],
}  # fmt: skip


def row(**fields: Any) -> None:
    fields.setdefault("timestamp", timezone.now())
    UsageRow.objects.create(run_id=f"run-{UsageRow.objects.count()}", **fields)


def test_without_runs_everything_is_zero(admin: Caller):
    answer = admin.get(COSTS)

    assert (answer.status_code, answer.json()) == (200, NOTHING)


def test_it_adds_up_by_everything(admin: Caller):
    row(user_id="ada", model="m1", source="chat", input_tokens=10, cache_read=5, cache_write=1,
        output_tokens=2, cost_usd=1.0, tools={"now": [2, 1]})  # fmt: skip
    row(user_id="ada", model="m2", source="cron", input_tokens=1, cost_usd=0.5)
    row(user_id="eve", model="m1", source="chat", cost_usd=2.0, tools={"now": [1, 0], "x": [5, 5]})

    report = admin.get(COSTS).json()

    assert report["total_cost_usd"] == 3.5
    assert (report["total_input_tokens"], report["total_output_tokens"]) == (17, 2)
    assert (report["total_cache_read"], report["total_cache_write"]) == (5, 1)
    assert report["total_turns"] == 3
    assert [(e["user_id"], e["total_cost_usd"]) for e in report["by_user"]] == [
        ("eve", 2.0), ("ada", 1.5),
    ]  # fmt: skip
    assert [(e["model"], e["total_turns"]) for e in report["by_model"]] == [("m1", 2), ("m2", 1)]
    assert [(e["source"], e["total_cost_usd"]) for e in report["by_source"]] == [
        ("chat", 3.0), ("cron", 0.5),
    ]  # fmt: skip
    assert report["by_tool"] == [
        {"tool_name": "x", "invocations": 5, "errors": 5},
        {"tool_name": "now", "invocations": 3, "errors": 1},
    ]


def test_days_are_those_of_utc_oldest_first(admin: Caller):
    noon = timezone.now().astimezone(UTC).replace(hour=12) - timedelta(days=2)
    row(model="b", cost_usd=1.0, timestamp=noon.replace(hour=23, minute=59))
    row(model="a", cost_usd=2.0, timestamp=noon.replace(hour=0, minute=0))
    row(model="a", cost_usd=4.0, timestamp=noon - timedelta(days=1))

    days = admin.get(COSTS).json()["by_day"]

    assert [(day["date"], day["total_cost_usd"]) for day in days] == [
        ((noon - timedelta(days=1)).date().isoformat(), 4.0),
        (noon.date().isoformat(), 3.0),
    ]
    assert days[1]["by_model"] == [
        {"model": "a", "cost_usd": 2.0},
        {"model": "b", "cost_usd": 1.0},
    ]


@pytest.mark.parametrize(("period", "runs"), [("7d", 1), ("30d", 2), ("90d", 3), ("all", 4)])
def test_a_period_reaches_back_from_now(admin: Caller, period: str, runs: int):
    for days in (6, 29, 89, 400):
        row(timestamp=timezone.now() - timedelta(days=days))

    assert admin.get(COSTS, period=period).json()["total_turns"] == runs
    assert admin.get(COSTS).json()["total_turns"] == 2


@pytest.mark.parametrize("period", ["", "1d", "ALL"])
def test_another_period_is_refused(admin: Caller, period: str):
    answer = admin.get(COSTS, period=period)

    assert answer.status_code == 400
    assert "period" in answer.json()["error"]


def test_costs_are_for_administrators(member: Caller):
    answer = member.get(COSTS)

    assert (answer.status_code, answer.json()) == (403, {"error": "Admin access required"})


def test_a_run_is_in_the_report_with_its_tools_however_it_was_started(payer: NewPayer):
    ada = payer()
    ada.gateway.chat(f"!usage 12 5\n{CALL}\n!turn\n!usage 3 1\n!say It is 42.")
    ada.daemon.run_to_end('!usage 5 1\n!tool calculate {"expression": "1/0"}\n!turn\n!say Oh.')
    ada.daemon.run_to_end("!usage 7 1\n!fail auth")

    costs = ada.until_recorded(3)

    assert costs["total_input_tokens"] >= 12 + 3 + 5
    report = ada.server.client.get(COSTS).json()
    calculate = next(e for e in report["by_tool"] if e["tool_name"] == "calculate")
    assert calculate["invocations"] >= 2 and calculate["errors"] >= 1
    assert {"chat", "api"} <= {entry["source"] for entry in report["by_source"]}
    assert any(entry["date"] == datetime.now(UTC).date().isoformat() for entry in report["by_day"])


@pytest.mark.django_db
@pytest.mark.parametrize("damage", [b"", b"\xff", b"\xa0", b"\x80"])
def test_a_damaged_log_does_not_keep_other_runs_out_of_the_accounts(damage: bytes):
    damaged, sound = write_run(), write_run()
    Event.objects.filter(run=damaged, seq__gt=1).update(payload=damage)

    recording.sweep()

    assert set(UsageRow.objects.values_list("run_id", flat=True)) >= {damaged.pk, sound.pk}
