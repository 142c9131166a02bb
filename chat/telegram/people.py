"""Who writes to the bot, as the user that their account is linked to."""

from dataclasses import dataclass
from typing import Any

from accounts.models import User
from accounts.principals import Principal, user_principal
from chat.models import TelegramLink
from chat.services.telegram_links import find_by_id, find_by_username
from project.lib.db import write_transaction


@dataclass(frozen=True, slots=True)
class Sender:
    """A linked account of an active user."""

    user_id: str
    principal: Principal


def find_sender(telegram_id: int, username: str) -> Sender | None:
    """By the id; by the name only while the link has no id, which it gets now.

    A name can be given up and taken by somebody else, an id cannot.
    """
    link = find_by_id(telegram_id)
    if link is None:
        link = _first_message_of(telegram_id, username)
    return _sender(link) if link is not None else None


def chats_of(user_id: str) -> list[int]:
    """The private chats of a user; without one, of every administrator."""
    links = TelegramLink.objects.filter(user__is_active=True, telegram_id__isnull=False)
    found = links.filter(user_id=user_id) if user_id else links.filter(user__role=User.Role.ADMIN)
    return [chat_id for chat_id in found.values_list("telegram_id", flat=True) if chat_id]


def greeting(message: dict[str, Any], agent_name: str) -> str:
    """The answer to /start, for anybody: who the bot is, and what an administrator has to know."""
    sender = message.get("from") or {}
    lines = [f"Hello, I am {agent_name}.", "", f"Your Telegram ID is {sender.get('id')}."]
    if sender.get("username"):
        lines.append(f"Your username is @{sender['username']}.")
    lines += ["", "Ask your admin to link your account; then write to me."]
    return "\n".join(lines)


def _first_message_of(telegram_id: int, username: str) -> TelegramLink | None:
    link = find_by_username(username) if username else None
    if link is None:
        return None
    with write_transaction():
        taken = TelegramLink.objects.filter(pk=link.pk, telegram_id__isnull=True).update(
            telegram_id=telegram_id
        )
    return link if taken else None


def _sender(link: TelegramLink) -> Sender:
    user = link.user
    principal = user_principal(user_id=user.pk, role=user.role, provider="telegram")
    return Sender(user.pk, principal)
