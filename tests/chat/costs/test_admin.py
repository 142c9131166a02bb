"""Limits and costs in the admin."""

from typing import Any

import pytest
from django.utils import timezone

from chat.models import SpendingLimit, UsageRow
from tests.accounts.cast import facts
from tests.chat.callers import Caller

LIMITS = "/admin/chat/spendinglimit/"


@pytest.fixture
def pages(client: Any, admin: Caller) -> Any:
    assert admin.member is not None
    client.force_login(admin.member.user)
    return client


def add(pages: Any, **fields: Any) -> Any:
    return pages.post(f"{LIMITS}add/", {"user": "", "period": "day", "limit_usd": "5", **fields})


def test_a_limit_is_set_changed_and_removed_on_record(pages: Any, admin: Caller, member: Caller):
    assert admin.member is not None and member.member is not None
    add(pages, user=member.member.user.pk)
    limit = SpendingLimit.objects.get()
    pages.post(f"{LIMITS}{limit.pk}/change/", {"limit_usd": "2.5"})
    limit.refresh_from_db()
    pages.post(f"{LIMITS}{limit.pk}/delete/", {"post": "yes"})

    assert (limit.user_id, float(limit.limit_usd)) == (member.member.user.pk, 2.5)
    assert not SpendingLimit.objects.exists()
    assert [fact["limit_usd"] for fact in facts("spending_limit_changed")] == [5.0, 2.5]
    removed = facts("spending_limit_removed")[-1]
    assert (removed["actor"], removed["user_id"]) == (
        admin.member.user.pk,
        member.member.user.pk,
    )


@pytest.mark.parametrize(
    "fields", [{"limit_usd": "-1"}, {"limit_usd": "a lot"}, {"period": "week"}]
)
def test_what_is_no_limit_is_refused_in_the_form(pages: Any, fields: dict[str, str]):
    answer = add(pages, **fields)

    assert answer.status_code == 200
    assert not SpendingLimit.objects.exists()


def test_a_second_limit_for_the_same_is_refused_in_the_form(pages: Any):
    add(pages)

    answer = add(pages, limit_usd="7")

    assert b"There is a limit for that user and period already" in answer.content
    assert float(SpendingLimit.objects.get().limit_usd) == 5.0


def test_the_list_and_the_costs_open_on_a_populated_database(pages: Any, member: Caller):
    assert member.member is not None
    add(pages)
    UsageRow.objects.create(
        run_id="r",
        user_id=member.member.user.pk,
        model="a-model",
        source="chat",
        cost_usd=1.25,
        tools={"calculate": [3, 1]},
        timestamp=timezone.now(),
    )

    limits, costs = pages.get(LIMITS), pages.get("/admin/costs/")

    assert b"everybody" in limits.content
    shown = costs.content.decode()
    for text in (str(member.member.user), "a-model", "1.2500", "calculate", "chat"):
        assert text in shown
    assert pages.get("/admin/costs/?period=nonsense").status_code == 200


def test_nobody_else_sees_them(client: Any, member: Caller):
    assert member.member is not None
    client.force_login(member.member.user)

    assert client.get("/admin/costs/").status_code == 302
    assert client.get(LIMITS).status_code == 302
