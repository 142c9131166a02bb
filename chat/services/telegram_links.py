"""Which Telegram account speaks for which user: one account each, and every change on record."""

from collections.abc import Set

from django.db import IntegrityError
from django.db.models import QuerySet

from accounts import audit
from accounts.errors import UserNotFound
from accounts.models import User
from accounts.services import mandates
from chat.errors import OutOfRange, TelegramAccountTaken, TelegramAccountUnnamed
from chat.models import TelegramLink
from project.lib.db import write_transaction

USERNAME_CHARS = 64
_IDS = range(-(2**63), 2**63)  # what the column holds


def link(
    *,
    user_id: str,
    actor: str,
    telegram_id: int | None = None,
    username: str | None = None,
    force: bool = False,
    within: Set[str] | None = None,
) -> TelegramLink:
    """Make this account the user's, in place of the one they had.

    `force` takes it away from whoever has it; without, that is `TelegramAccountTaken`. Raises
    `TelegramAccountUnnamed` when neither id nor name was given, `OutOfRange`, `UserNotFound` and
    `BeyondYourRights` when the user may do more than `within`.
    """
    name = clean_username(username)
    if telegram_id is None and not name:
        raise TelegramAccountUnnamed
    if telegram_id is not None and telegram_id not in _IDS:
        raise OutOfRange("telegram_id: no id is as large", field="telegram_id")
    try:
        with write_transaction():
            user = User.objects.filter(pk=user_id).first()
            if user is None:
                raise UserNotFound
            mandates.check_acts_as(user.role, within)
            return _replace(user_id, actor, telegram_id, name, force=force)
    except IntegrityError:  # telegram_username_once: somebody else linked it at the same moment
        raise TelegramAccountTaken from None


def unlink(*, user_id: str, actor: str) -> bool:
    """Whether there was a link to take away."""
    with write_transaction():
        removed, _ = TelegramLink.objects.filter(user_id=user_id).delete()
        if removed:
            _record_unlinked(actor, user_id)
    return bool(removed)


def link_of(user_id: str) -> TelegramLink | None:
    return TelegramLink.objects.filter(user_id=user_id).first()


def find_by_id(telegram_id: int) -> TelegramLink | None:
    """The link of an active user."""
    return _active().filter(telegram_id=telegram_id).first()


def find_by_username(username: str) -> TelegramLink | None:
    """The link of an active user, by a name in any letters' case and with or without its @."""
    name = clean_username(username)
    return _active().filter(username=name).first() if name else None


def clean_username(username: str | None) -> str:
    """As it is stored: lower-case, without @. Raises `OutOfRange`."""
    name = (username or "").strip().removeprefix("@").strip().lower()
    if len(name) > USERNAME_CHARS:
        raise OutOfRange(
            f"username must have at most {USERNAME_CHARS} characters", field="username"
        )
    return name


def _active() -> QuerySet[TelegramLink]:
    return TelegramLink.objects.filter(user__is_active=True).select_related("user")


def _replace(
    user_id: str, actor: str, telegram_id: int | None, name: str, *, force: bool
) -> TelegramLink:
    for other in _held_by_others(user_id, telegram_id, name):
        if not force:
            raise TelegramAccountTaken
        other.delete()
        _record_unlinked(actor, other.user_id, taken_for=user_id)
    TelegramLink.objects.filter(user_id=user_id).delete()
    made = TelegramLink.objects.create(user_id=user_id, telegram_id=telegram_id, username=name)
    audit.record(
        "telegram_linked",
        actor=actor,
        pack_id=audit.ADMINISTRATION,
        durable=True,
        user_id=user_id,
        telegram_id=telegram_id,
    )
    return made


def _held_by_others(user_id: str, telegram_id: int | None, name: str) -> list[TelegramLink]:
    others = TelegramLink.objects.exclude(user_id=user_id)
    held = [] if telegram_id is None else list(others.filter(telegram_id=telegram_id))
    if name:
        known = {link.pk for link in held}
        held += [link for link in others.filter(username=name) if link.pk not in known]
    return held


def _record_unlinked(actor: str, user_id: str, **facts: str) -> None:
    audit.record(
        "telegram_unlinked",
        actor=actor,
        pack_id=audit.ADMINISTRATION,
        durable=True,
        user_id=user_id,
        **facts,
    )
