"""Setting limits: every change is on record with who made it."""

from decimal import Decimal

from django.db import transaction

from accounts import audit
from chat.costs import known
from chat.errors import OutOfRange
from chat.models import SpendingLimit
from project.lib.db import write_transaction


def set_limit(*, actor: str, user_id: str | None, period: str, limit_usd: Decimal) -> SpendingLimit:
    """Limit what a user may spend in a period; without a user, what each may who has no other.

    Raises `OutOfRange` for a negative limit or a period that nobody knows.
    """
    if limit_usd < 0:
        raise OutOfRange("limit_usd must not be negative", field="limit_usd")
    if period not in SpendingLimit.Period.values:
        raise OutOfRange("period must be day or month", field="period")
    with write_transaction():
        limit, _ = SpendingLimit.objects.update_or_create(
            user_id=user_id, period=period, defaults={"limit_usd": limit_usd}
        )
        _record("spending_limit_changed", actor, limit)
    _act_at_once()
    return limit


def remove_limit(limit: SpendingLimit, *, actor: str) -> None:
    with write_transaction():
        _record("spending_limit_removed", actor, limit)
        SpendingLimit.objects.filter(pk=limit.pk).delete()
    _act_at_once()


def _act_at_once() -> None:
    """In this process; and once more after the commit, as somebody may have read before it."""
    known.forget()
    transaction.on_commit(known.forget)


def _record(kind: str, actor: str, limit: SpendingLimit) -> None:
    audit.record(
        kind,
        actor=actor,
        pack_id=audit.ADMINISTRATION,
        durable=True,
        limit_id=limit.pk,
        user_id=limit.user_id,
        period=limit.period,
        limit_usd=float(limit.limit_usd),
    )
