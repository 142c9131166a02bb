"""Nobody hands out more than they hold.

A key can be limited to managing users. Whoever has only that must not get at the rest by way of
another key, another role or another user's Telegram account. Services take what their caller holds
as `within`; `None` is for who is bound by nothing: commands, and the admin site.
"""

from collections.abc import Set

from accounts import capabilities
from accounts.errors import BeyondYourRights
from accounts.models import User


def check_role_of_new(role: str, within: Set[str] | None) -> None:
    """Whoever may create users may create ordinary ones: that gives nobody a credential."""
    _check(_of(role) - _of(User.Role.USER), within)


def check_change(before: User, after: User, within: Set[str] | None) -> None:
    """What a change adds; demoting and switching off add nothing."""
    was_active, is_active = before.is_active, after.is_active
    if is_active and not was_active:
        _check(_of(after.role), within)
    elif before.role != after.role:
        _check(_of(after.role) - _of(before.role), within)


def check_key(role: str, limited_to: Set[str] | None, within: Set[str] | None) -> None:
    """A key without limits does what its owner's role may."""
    _check(_of(role) if limited_to is None else limited_to, within)


def check_acts_as(role: str, within: Set[str] | None) -> None:
    """An account that speaks for a user of that role may do all that the role may."""
    _check(_of(role), within)


def _of(role: str) -> frozenset[str]:
    return capabilities.ROLE_CAPABILITIES[role]


def _check(given: Set[str], within: Set[str] | None) -> None:
    if within is not None and (missing := given - within):
        raise BeyondYourRights(missing)
