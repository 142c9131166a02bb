"""Which limit counts, and what counts against it. No model is called here."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from chat.costs import recording, setting
from chat.models import UsageRow
from chat.notifications import Notification, listening
from tests.accounts.cast import facts
from tests.chat.callers import Caller


@pytest.fixture(autouse=True)
def _fresh(at_home: None) -> None:
    return


def id_of(caller: Caller) -> str:
    assert caller.member is not None
    return caller.member.user.pk


def spend(caller: Caller, usd: float, *, on: datetime | None = None) -> None:
    """As if a run had used it."""
    UsageRow.objects.create(
        run_id=f"run-{UsageRow.objects.count()}",
        user_id=id_of(caller),
        api_key_id=caller.member.key.pk,  # type: ignore[union-attr]
        cost_usd=usd,
        timestamp=on or timezone.now(),
    )


def set_limit(usd: float, *, of: Caller | None = None, period: str = "day") -> Any:
    return setting.set_limit(
        actor="test",
        user_id=None if of is None else id_of(of),
        period=period,
        limit_usd=Decimal(str(usd)),
    )


def start(caller: Caller) -> Any:
    return caller.post("/api/v1/runs", {"goal": "hello", "model": "scripted/scripted"})


def test_a_limit_for_everybody_is_each_ones_own(admin: Caller, member: Caller):
    set_limit(1)
    spend(member, 1)

    assert (start(member).status_code, start(admin).status_code) == (429, 202)


def test_ones_own_limit_wins_over_everybodys(admin: Caller, member: Caller):
    set_limit(1)
    set_limit(5, of=member)
    spend(member, 3)
    spend(admin, 3)

    assert (start(member).status_code, start(admin).status_code) == (202, 429)


def test_yesterday_counts_in_the_month_and_not_in_the_day(member: Caller):
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    set_limit(1, of=member)
    spend(member, 2, on=midnight - timedelta(microseconds=1))
    allowed = start(member)
    set_limit(1, of=member, period="month")
    spend(member, 0, on=midnight)
    spend(member, 2, on=midnight.replace(day=1))

    refused = start(member)

    assert allowed.status_code == 202
    assert refused.json() == (
        {"error": "Spending limit reached: 1 USD a month"}
        if midnight.day != 1
        else {"error": "Spending limit reached: 1 USD a day"}
    )


def test_last_month_counts_in_no_period(member: Caller):
    first = timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    set_limit(1, of=member, period="month")
    spend(member, 2, on=first - timedelta(microseconds=1))

    assert start(member).status_code == 202


def test_a_limit_that_was_raised_lets_runs_pass_again(member: Caller):
    set_limit(1, of=member)
    spend(member, 1)
    refused = start(member)
    set_limit(2, of=member)

    assert (refused.status_code, start(member).status_code) == (429, 202)


def test_without_a_user_only_the_daemons_own_rules_count(
    client: Any, settings: Any, member: Caller
):
    set_limit(0)
    settings.STARLINGD_TOKEN = "the-daemon-token"
    headers = {"Authorization": "Bearer the-daemon-token"}

    answer = client.post(
        "/api/v1/runs", {"goal": "x"}, content_type="application/json", headers=headers
    )

    assert answer.status_code == 202


@pytest.mark.django_db(transaction=True)
def test_who_listens_is_told_once_that_a_limit_is_near(member: Caller):
    set_limit(1, of=member)
    spend(member, 0.9)
    told: list[Notification] = []

    with listening(told.append):
        for _ in range(2):
            run_id = start(member).json()["run_id"]
            member.post(f"/api/v1/runs/{run_id}/cancel")
            recording.sweep()

    [notification] = told
    assert notification.owner == id_of(member)
    assert notification.result_preview == (
        "0.9 USD are spent, more than 80 % of the limit: 1 USD a day."
    )
    assert len(facts("spending_warned")) == 1


def test_a_run_is_recorded_once_however_often_one_looks(member: Caller, admin: Caller):
    run_id = start(member).json()["run_id"]
    member.post(f"/api/v1/runs/{run_id}/cancel")

    assert (recording.sweep(), recording.sweep()) == (1, 0)

    row = UsageRow.objects.get()
    assert (row.run_id, row.user_id, row.source) == (run_id, id_of(member), "api")
    assert row.api_key_id == member.member.key.pk  # type: ignore[union-attr]
    assert (row.cost_usd, row.tools) == (0.0, {})
    assert row.model == "scripted"
