"""Keys of providers and the bot's token: entered, used, replaced and removed; never shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings
from django.db import models

from accounts import audit
from chat.errors import OutOfRange
from chat.live_settings.reading import stored_secret
from chat.live_settings.stored_secrets import BOT_TOKEN, NAMES, seal, unseal
from chat.live_settings.writing import PACK_ID, tell_on_commit
from chat.models import Secret, SettingChange
from project.lib.db import write_transaction

__all__ = [
    "BOT_TOKEN",
    "NAMES",
    "SecretState",
    "mask",
    "remove_secret",
    "secret",
    "secret_states",
    "set_secret",
]

MAX_CHARS = 1_000
_BULLET = "•"
_HINT_CHARS = 4
#: A shorter secret would be given away by its last characters.
_HINTED_FROM_CHARS = 16

GROUP = "secrets"  # in the history, and for who hears of changes


@dataclass(frozen=True, slots=True)
class SecretState:
    """What may be said of a secret."""

    name: str
    origin: Literal["", "environment", "database"]  # "": there is none
    mask: str
    is_readable: bool = True
    updated_at: datetime | None = None
    updated_by: str = ""


def secret(name: str) -> str:
    """What is in use now, for those who use it: entered here, else from the environment."""
    return stored_secret(name) or str(getattr(settings, name))


def mask(name: str) -> str:
    """How a secret is shown: bullets and its last characters; empty when there is none."""
    return _state(name, Secret.objects.filter(pk=name).first()).mask


def set_secret(name: str, value: str, *, actor: str) -> None:
    """Enter or replace one. Raises `OutOfRange` for what cannot be one, a mask for instance."""
    value = value.strip()
    _check(name, value)
    with write_transaction():
        before = _locked(name)
        Secret.objects.update_or_create(
            name=name,
            defaults={"ciphertext": seal(value), "hint": _hint(value), "updated_by": actor},
        )
        _record("secret_set", name, actor, before=before is not None, after=True)


def remove_secret(name: str, *, actor: str) -> None:
    """Forget one that was entered here; what the environment says counts again."""
    with write_transaction():
        before = _locked(name)
        if before is None:
            return
        before.delete()
        _record("secret_removed", name, actor, before=True, after=False)


def secret_states() -> list[SecretState]:
    """All there can be, in the order of their names."""
    rows = Secret.objects.in_bulk()
    return [_state(name, rows.get(name)) for name in sorted(NAMES)]


def _state(name: str, row: Secret | None) -> SecretState:
    if row is not None:
        return SecretState(
            name,
            "database",
            _masked(row.hint),
            is_readable=bool(unseal(bytes(row.ciphertext))),
            updated_at=row.updated_at,
            updated_by=row.updated_by,
        )
    value = str(getattr(settings, name))
    if value:
        return SecretState(name, "environment", _masked(_hint(value)))
    return SecretState(name, "", "")


def _locked(name: str) -> Secret | None:
    rows: models.QuerySet[Secret] = Secret.objects.select_for_update()
    return rows.filter(pk=name).first()


def _check(name: str, value: str) -> None:
    if not value:
        raise OutOfRange(f"{name} cannot be empty", field=name)
    if len(value) > MAX_CHARS:
        raise OutOfRange(f"{name} must have at most {MAX_CHARS} characters", field=name)
    # A header could not carry anything else; bullets are what is left of a mask.
    if not value.isascii() or not value.isprintable() or " " in value:
        raise OutOfRange(f"{name} must be one word of ASCII characters", field=name)


def _record(kind: str, name: str, actor: str, *, before: bool, after: bool) -> None:
    words = {True: "set", False: None}
    SettingChange.objects.create(
        group=GROUP, field=name, before=words[before], after=words[after], actor=actor
    )
    tell_on_commit("telegram" if name == BOT_TOKEN else GROUP)
    audit.record(kind, actor=actor, pack_id=PACK_ID, durable=True, secret=name)


def _hint(value: str) -> str:
    return value[-_HINT_CHARS:] if len(value) >= _HINTED_FROM_CHARS else ""


def _masked(hint: str) -> str:
    return _BULLET * 8 + hint
