"""How users, API keys and Telegram links look on the wire."""

from datetime import UTC, datetime
from typing import Any

from accounts.models import ApiKey, User
from chat.models import TelegramLink


def utc_timestamp(moment: datetime | None, *, zone: str = "Z") -> str | None:
    """RFC 3339 with six digits, always as long, so that clients may sort the text."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}{zone}"


def user_item(user: User) -> dict[str, Any]:
    return {
        "id": user.pk,
        "email": user.email,
        "display_name": user.display_name or None,
        "role": user.role,
        "is_active": user.is_active,
        "filesystem_enabled": user.filesystem_enabled,
        "created_at": utc_timestamp(user.created_at),
        "updated_at": utc_timestamp(user.updated_at),
    }


def key_item(key: ApiKey) -> dict[str, Any]:
    """What may be known of a key; its secret is nowhere."""
    limit = key.spending_limit_usd
    return {
        "id": key.pk,
        "user_id": key.user_id,
        "prefix": key.prefix,
        "label": key.label or None,
        "expires_at": utc_timestamp(key.expires_at),
        "revoked_at": utc_timestamp(key.revoked_at),
        "last_used_at": utc_timestamp(key.last_used_at),
        "created_at": utc_timestamp(key.created_at),
        "capabilities": key.capabilities,
        "spending_limit_usd": None if limit is None else float(limit),
    }


def link_item(link: TelegramLink | None) -> dict[str, Any]:
    """Empty for a user who is not linked."""
    if link is None:
        return {}
    return {
        "telegram_id": link.telegram_id,
        "username": link.username or None,
        "linked_at": utc_timestamp(link.linked_at, zone="+00:00"),
    }
