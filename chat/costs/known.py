"""The limits that were set, remembered for a second: who has none pays next to nothing for it.

Those of users are read together, as there are few; a key's when the key comes along, so that one
which was just issued is never taken for one without a limit.
"""

import threading
import time
from dataclasses import dataclass, field

from accounts.models import ApiKey
from chat.models import SpendingLimit
from runs.engine.spending import Spender

FRESH_SECONDS = 1.0
_KEYS_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class UserLimit:
    """What a user may spend in a period: their own limit, or everybody's."""

    limit_id: str
    period: str
    cap_usd: float


@dataclass(frozen=True, slots=True)
class _OfUsers:
    own: dict[str, dict[str, UserLimit]] = field(default_factory=dict)  # by user, by period
    common: dict[str, UserLimit] = field(default_factory=dict)  # by period

    def of(self, user_id: str) -> list[UserLimit]:
        found = self.common | self.own.get(user_id, {})
        return [found[period] for period in sorted(found)]


_users = _OfUsers()
_users_read_at = float("-inf")
_keys: dict[str, tuple[float | None, float]] = {}  # cap and when it was read
_changes = 0  # that this process knows of: what was being read meanwhile is not remembered
_lock = threading.Lock()
_remembering = threading.Lock()


def may_apply(spender: Spender) -> bool:
    """Without the database: true also where only that could tell."""
    now = time.monotonic()
    if spender.user_id and (now - _users_read_at >= FRESH_SECONDS or _users.of(spender.user_id)):
        return True
    if not spender.api_key_id:
        return False
    cap, read_at = _keys.get(spender.api_key_id, (None, float("-inf")))
    return cap is not None or now - read_at >= FRESH_SECONDS


def limits_of_user(user_id: str) -> list[UserLimit]:
    """The shorter period first."""
    global _users, _users_read_at
    if time.monotonic() - _users_read_at >= FRESH_SECONDS:
        with _lock:
            if time.monotonic() - _users_read_at >= FRESH_SECONDS:
                began, changes = time.monotonic(), _changes
                _users = _read_users()
                with _remembering:
                    _users_read_at = began if changes == _changes else float("-inf")
    return _users.of(user_id)


def limit_of_key(key_id: str) -> float | None:
    """Also of one that was revoked: what it started may be under way."""
    cap, read_at = _keys.get(key_id, (None, float("-inf")))
    began, changes = time.monotonic(), _changes
    if began - read_at < FRESH_SECONDS:
        return cap
    stored = ApiKey.objects.filter(pk=key_id).values_list("spending_limit_usd", flat=True).first()
    cap = None if stored is None else float(stored)
    if len(_keys) >= _KEYS_AT_MOST:
        _keys.clear()
    with _remembering:
        if changes == _changes:
            _keys[key_id] = (cap, began)
    return cap


def forget() -> None:
    """A limit was changed here: the next one who asks reads anew."""
    global _changes, _users_read_at
    with _remembering:
        _changes += 1
        _users_read_at = float("-inf")
        _keys.clear()


def _read_users() -> _OfUsers:
    found = _OfUsers()
    for row in SpendingLimit.objects.all():
        limit = UserLimit(row.pk, row.period, float(row.limit_usd))
        if row.user_id is None:
            found.common[row.period] = limit
        else:
            found.own.setdefault(row.user_id, {})[row.period] = limit
    return found
