"""Limits on money beyond a run's own budget: of a user, of a key. The app above knows them.

Apps below cannot ask it, so it leaves word here. Without, nobody is limited.
"""

from dataclasses import dataclass
from typing import Protocol

from project.lib.pool import in_database_thread
from runs.errors import SpendingLimitReached

#: The axis of a `BudgetExceeded`, and how the error begins that follows it.
SPENDING = "spending"
REACHED = "Spending limit reached: "


@dataclass(frozen=True, slots=True)
class Spender:
    """Whose money a run spends; both empty where nobody's is."""

    user_id: str
    api_key_id: str

    @classmethod
    def of(cls, user_id: str | None, api_key_id: str | None) -> "Spender":
        return cls(user_id or "", api_key_id or "")


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit and what was spent of it, in US dollars."""

    text: str  # which limit, in words
    cap: float
    spent: float
    retry_after: int | None = None  # seconds until the period ends


class Limits(Protocol):
    """What the app above answers. Both may be called from any thread."""

    def may_apply(self, spender: Spender) -> bool:
        """Cheap, and without the database: false only where no limit can be reached."""
        ...

    def reached(self, spender: Spender, *, tells: bool) -> LimitReached | None:
        """The first limit that leaves nothing; `tells` lets it warn of one that is near."""
        ...


class _Nobodys:
    def may_apply(self, spender: Spender) -> bool:
        return False

    def reached(self, spender: Spender, *, tells: bool) -> LimitReached | None:
        return None


_limits: Limits = _Nobodys()


def set_limits(limits: Limits) -> None:
    global _limits
    _limits = limits


def check_start(spender: Spender) -> None:
    """Raises `SpendingLimitReached` when a run of this spender could make no model call."""
    if not _limits.may_apply(spender):
        return
    reached = _limits.reached(spender, tells=False)
    if reached is not None:
        raise SpendingLimitReached(reached.text, retry_after=reached.retry_after)


async def check_call(spender: Spender) -> LimitReached | None:
    """Before each model call: the limit that forbids it."""
    if not _limits.may_apply(spender):
        return None
    return await in_database_thread(_limits.reached, spender, tells=True)
