"""Issuing, importing and revoking API keys: the only code that sees a secret being made."""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit, capabilities, key_format
from accounts.errors import AmbiguousPrefix, ApiKeyNotFound, InvalidValue, UserNotFound
from accounts.models import ApiKey, User
from accounts.services import mandates
from project.lib.db import write_transaction

LABEL_LENGTH = 100


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key and its secret, which cannot be had again."""

    key: ApiKey
    secret: str


def issue_key(
    *,
    user_id: str,
    actor: str,
    label: str | None = None,
    limited_to: Iterable[str] | None = None,
    expires_at: datetime | None = None,
    spending_limit_usd: Decimal | None = None,
    within: Set[str] | None = None,
) -> IssuedKey:
    """Issue a key of a user's. `limited_to` names the capabilities it has at the most, `within`
    those that its issuer holds.

    Raises `UserNotFound`, `InvalidValue` or `BeyondYourRights`.
    """
    secret = key_format.new_secret()
    key = ApiKey(
        user_id=user_id,
        label=_clean_label(label),
        capabilities=_clean_capabilities(limited_to),
        expires_at=_clean_expiry(expires_at),
        spending_limit_usd=_clean_limit(spending_limit_usd),
    )
    return IssuedKey(_store(key, secret, "api_key_issued", actor, within), secret)


def import_key(*, user_id: str, actor: str, secret: str, label: str) -> ApiKey:
    """Store a key made elsewhere. Raises `InvalidValue` if it could be guessed or not be sent."""
    check_importable(secret)
    key = ApiKey(user_id=user_id, label=_clean_label(label))
    return _store(key, secret, "api_key_imported", actor)


def check_importable(secret: str) -> None:
    if len(secret) < key_format.MIN_IMPORTED_LENGTH:
        message = f"an API key needs at least {key_format.MIN_IMPORTED_LENGTH} characters"
        raise InvalidValue(message, field="key")
    if not key_format.is_presentable(secret):
        message = (
            f"an API key is at most {key_format.MAX_LENGTH} visible ASCII characters, no spaces"
        )
        raise InvalidValue(message, field="key")


def revoke_key(*, key_id: str, actor: str) -> ApiKey:
    """End a key with its next request. A second time changes nothing. Raises `ApiKeyNotFound`."""
    with write_transaction():
        revoked = ApiKey.objects.filter(pk=key_id, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        key = ApiKey.objects.filter(pk=key_id).first()
        if key is None:
            raise ApiKeyNotFound
        if revoked:
            _audit("api_key_revoked", actor, key)
    return key


def keys_of(user_id: str) -> QuerySet[ApiKey]:
    """A user's keys, newest first, revoked ones included. Raises `UserNotFound`."""
    if not User.objects.filter(pk=user_id).exists():
        raise UserNotFound
    return ApiKey.objects.filter(user_id=user_id).order_by("-created_at", "-pk")


def find_key(prefix_or_id: str) -> ApiKey:
    """The key meant by its id or prefix; among keys with the same prefix, the one still live.

    Raises `ApiKeyNotFound` or `AmbiguousPrefix`.
    """
    by_id = ApiKey.objects.filter(pk=prefix_or_id).first()
    if by_id is not None:
        return by_id
    found = list(ApiKey.objects.filter(prefix=prefix_or_id))
    live = [key for key in found if key.revoked_at is None]
    candidates = live or found
    if not candidates:
        raise ApiKeyNotFound
    if len(candidates) > 1:
        raise AmbiguousPrefix(f"{len(candidates)} keys have the prefix {prefix_or_id}: use the id")
    return candidates[0]


def _store(
    key: ApiKey, secret: str, kind: str, actor: str, within: Set[str] | None = None
) -> ApiKey:
    key.prefix = key_format.prefix_of(secret)
    key.key_hash = key_format.hash_secret(secret)  # slow, so outside the transaction
    with write_transaction():
        audit.lock_head()  # as whoever changes a user: its role stays what it is
        owner = User.objects.filter(pk=key.user_id).first()
        if owner is None:
            raise UserNotFound
        limits = None if key.capabilities is None else frozenset(key.capabilities)
        mandates.check_key(owner.role, limits, within)
        key.save(force_insert=True)
        _audit(kind, actor, key, capabilities=key.capabilities)
    return key


def _audit(kind: str, actor: str, key: ApiKey, **facts: object) -> None:
    audit.record(
        kind,
        actor=actor,
        run_id="",
        pack_id=audit.ADMINISTRATION,
        durable=True,
        user_id=key.user_id,
        api_key_id=key.pk,
        prefix=key.prefix,
        **facts,
    )


def _clean_label(value: str | None) -> str:
    label = (value or "").strip()
    if len(label) > LABEL_LENGTH:
        raise InvalidValue(f"label is longer than {LABEL_LENGTH} characters", field="label")
    return label


def _clean_capabilities(names: Iterable[str] | None) -> list[str] | None:
    if names is None:
        return None
    chosen = sorted(set(names))
    if unknown := [name for name in chosen if name not in capabilities.ALL]:
        message = f"unknown capability {unknown[0]}; known: {', '.join(sorted(capabilities.ALL))}"
        raise InvalidValue(message, field="capabilities")
    return chosen


def _clean_expiry(moment: datetime | None) -> datetime | None:
    if moment is not None and moment <= timezone.now():
        raise InvalidValue("expires_at lies in the past", field="expires_at")
    return moment


def _clean_limit(limit: Decimal | None) -> Decimal | None:
    if limit is not None and limit < 0:
        raise InvalidValue("spending_limit_usd is negative", field="spending_limit_usd")
    return limit
