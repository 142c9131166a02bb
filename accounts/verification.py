"""From a presented API key to the principal it stands for.

argon2 takes tens of milliseconds, so which key a secret is gets remembered for a while. Only
that: whether the key still counts is read from its row on every request, so that a revocation, an
expiry or a deactivated owner takes effect on the next one.
"""

import hashlib
import json
import logging
import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone

from accounts import attempts, key_format
from accounts.errors import InvalidCredential, TooManyAttempts
from accounts.models import ApiKey
from accounts.principals import Principal, user_principal
from project.lib.db import write_transaction
from project.lib.sql import fetch_one

logger = logging.getLogger(__name__)

REMEMBER_SECONDS = 60.0  # since the last use
REMEMBER_AT_MOST = 10_000  # secrets
TOUCH_SECONDS = 60.0  # how often `last_used_at` of one key is written


@dataclass(frozen=True, slots=True)
class _KeyState:
    """What a key's row and its owner's say at this moment."""

    key_id: str
    user_id: str
    role: str
    is_active: bool
    capabilities: list[str] | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def refusal(self, now: datetime) -> str:
        """Why the key does not count; empty when it does."""
        if self.revoked_at is not None:
            return "revoked_api_key"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired_api_key"
        return "" if self.is_active else "inactive_user"


def verify_api_key(secret: str, *, address: str) -> Principal:
    """The principal of a presented key.

    Raises `InvalidCredential`, or `TooManyAttempts` when `address` was wrong too often lately; a
    good key passes from any address.
    """
    key_id = _identify(secret, address)
    if key_id is None:
        raise refusal_of_wrong(InvalidCredential(), address=address)
    try:
        principal, state = _principal_of(key_id)
    except InvalidCredential as error:
        raise refusal_of_wrong(error, address=address) from None
    _touch(state)
    return principal


def key_principal(key_id: str) -> Principal:
    """The principal of a key that proved itself before. Raises `InvalidCredential`."""
    return _principal_of(key_id)[0]


def refusal_of_wrong(
    error: InvalidCredential, *, address: str
) -> InvalidCredential | TooManyAttempts:
    """Count a wrong credential of `address`; what to raise for it."""
    if attempts.count_wrong(address):
        return error
    return TooManyAttempts(attempts.retry_after(address))


def forget() -> None:
    """Forget which secret is which key, and when each was last used."""
    _identified.clear()
    _touched.clear()


def _principal_of(key_id: str) -> tuple[Principal, _KeyState]:
    state = _read_state(key_id)
    if state is None:
        raise InvalidCredential
    if reason := state.refusal(timezone.now()):
        raise InvalidCredential(reason, actor=state.user_id)
    principal = user_principal(
        user_id=state.user_id,
        role=state.role,
        provider="api_key",
        api_key_id=key_id,
        limited_to=state.capabilities,
    )
    return principal, state


_STATE = """
SELECT k.user_id, u.role, u.is_active, k.capabilities, k.expires_at, k.revoked_at, k.last_used_at
FROM accounts_apikey k JOIN accounts_user u ON u.id = k.user_id WHERE k.id = %s
"""


def _read_state(key_id: str) -> _KeyState | None:
    # Every request pays this; building the same query by the ORM takes several times as long.
    row = fetch_one(_STATE, [key_id])
    if row is None:
        return None
    user_id, role, is_active, capabilities, expires_at, revoked_at, last_used_at = row
    return _KeyState(
        key_id=key_id,
        user_id=user_id,
        role=role,
        is_active=bool(is_active),
        capabilities=None if capabilities is None else json.loads(capabilities),
        expires_at=_moment(expires_at),
        revoked_at=_moment(revoked_at),
        last_used_at=_moment(last_used_at),
    )


def _moment(value: datetime | None) -> datetime | None:
    """A time as a cursor returns it: aware on Postgres, naive UTC on SQLite."""
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


# --- Which key a secret is --------------------------------------------------------------------


@dataclass(slots=True)
class _Identified:
    key_id: str
    until: float  # monotonic


# By SHA-256 of the secret: the secret itself stays nowhere.
_identified: dict[bytes, _Identified] = {}
_in_flight: dict[bytes, Future[str | None]] = {}
_lock = threading.Lock()
# Each verification takes 19 MiB and a core for a while; a flood of keys must not take them all.
_argon2_slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))


def _identify(secret: str, address: str) -> str | None:
    """The id of the key that `secret` is, live or not; `None` if it is none."""
    digest = hashlib.sha256(secret.encode(errors="replace")).digest()
    if known := _recall(digest):
        return known
    if not key_format.is_presentable(secret):
        return None
    return _identify_once(digest, secret, address)


def _identify_once(digest: bytes, secret: str, address: str) -> str | None:
    """Requests that bring the same secret at once share one verification."""
    mine = Future[str | None]()
    with _lock:
        if known := _recall(digest):  # by a neighbour, since we looked
            return known
        first = _in_flight.setdefault(digest, mine)
    if first is not mine:
        return first.result()
    try:
        key_id = _compare(secret, address)
        if key_id is not None:
            _remember(digest, key_id)
        mine.set_result(key_id)
    except BaseException as error:
        mine.set_exception(error)
        raise
    finally:
        with _lock:
            del _in_flight[digest]
    return key_id


def _recall(digest: bytes) -> str | None:
    remembered = _identified.get(digest)
    now = time.monotonic()
    if remembered is None or remembered.until <= now:
        return None
    remembered.until = now + REMEMBER_SECONDS
    return remembered.key_id


def _compare(secret: str, address: str) -> str | None:
    candidates = list(
        ApiKey.objects.filter(prefix=key_format.prefix_of(secret)).values_list("pk", "key_hash")
    )
    if candidates:
        with _argon2_slots:
            return next((pk for pk, hash_ in candidates if key_format.matches(secret, hash_)), None)
    # A throttled address gets its refusal at once: what a prefix is tells little, a core a lot.
    if not attempts.is_throttled(address):
        with _argon2_slots:
            key_format.match_nothing(secret)
    return None


def _remember(digest: bytes, key_id: str) -> None:
    now = time.monotonic()
    with _lock:
        if len(_identified) >= REMEMBER_AT_MOST:
            for old in [key for key, entry in _identified.items() if entry.until <= now]:
                del _identified[old]
        if len(_identified) < REMEMBER_AT_MOST:
            _identified[digest] = _Identified(key_id, now + REMEMBER_SECONDS)


# --- When a key was last used -----------------------------------------------------------------

_touched: dict[str, float] = {}  # key id → monotonic time of this process's last write


def _touch(state: _KeyState) -> None:
    """Note that the key is in use: best effort, and once a minute per key at most."""
    now = timezone.now()
    due = now - timedelta(seconds=TOUCH_SECONDS)
    if state.last_used_at is not None and state.last_used_at > due:
        return
    if not _claims_touch(state.key_id):
        return
    try:
        with write_transaction():
            ApiKey.objects.filter(
                Q(last_used_at=None) | Q(last_used_at__lte=due), pk=state.key_id
            ).update(last_used_at=now)
    except DatabaseError:
        logger.warning("last use of an API key could not be noted", exc_info=True)


def _claims_touch(key_id: str) -> bool:
    """Whether this thread is the one to write; its neighbours saw the same old time."""
    now = time.monotonic()
    with _lock:
        if now - _touched.get(key_id, float("-inf")) < TOUCH_SECONDS:
            return False
        _touched[key_id] = now
    return True
