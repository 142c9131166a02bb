"""Everything that changes a user. There is no deletion: deactivated users keep their history."""

from collections.abc import Set
from copy import copy
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError

from accounts import audit
from accounts.errors import EmailTaken, InvalidValue, LastAdmin, UserNotFound
from accounts.models import User
from accounts.services import mandates
from project.lib.db import write_transaction

EMAIL_LENGTH = 254
DISPLAY_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class UserChanges:
    """What to change; `None` leaves a field as it is. `email=""` takes the address away."""

    email: str | None = None
    display_name: str | None = None
    role: str | None = None
    is_active: bool | None = None
    filesystem_enabled: bool | None = None


def create_user(
    *,
    actor: str,
    email: str | None = None,
    display_name: str | None = None,
    role: str = User.Role.USER,
    filesystem_enabled: bool = False,
    password: str | None = None,
    within: Set[str] | None = None,
) -> User:
    """Create an active user. `actor` is whoever asks, as audit names them, `within` what they hold.

    Without a password the user logs in by API key. Raises `EmailTaken`, `InvalidValue` or
    `BeyondYourRights`.
    """
    user = User(
        email=clean_email(email),
        display_name=clean_display_name(display_name),
        role=clean_role(role),
        filesystem_enabled=filesystem_enabled,
    )
    mandates.check_role_of_new(user.role, within)
    user.set_password(password)  # None: unusable
    try:
        with write_transaction():
            user.save(force_insert=True)
            _audit("user_created", actor, user, role=user.role)
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def update_user(
    *, user_id: str, actor: str, changes: UserChanges, within: Set[str] | None = None
) -> User:
    """Raises `UserNotFound`, `EmailTaken`, `InvalidValue`, `LastAdmin` or `BeyondYourRights`."""
    try:
        with write_transaction():
            user = _lock(user_id)
            before = copy(user)
            changed = _apply(user, changes)
            if changed:
                mandates.check_change(before, user, within)
                _require_an_admin(user)
                user.save(update_fields=[*changed, "updated_at"])
                _audit("user_updated", actor, user, fields=changed, role=user.role)
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def deactivate_user(*, user_id: str, actor: str) -> User:
    """Shut a user out: keys, sessions and logins end with their next request."""
    return update_user(user_id=user_id, actor=actor, changes=UserChanges(is_active=False))


def activate_user(*, user_id: str, actor: str, within: Set[str] | None = None) -> User:
    changes = UserChanges(is_active=True)
    return update_user(user_id=user_id, actor=actor, changes=changes, within=within)


def set_password(*, user_id: str, actor: str, password: str | None) -> User:
    """Set a password that the caller has validated; `None` ends password logins."""
    with write_transaction():
        user = _lock(user_id)
        user.set_password(password)
        user.save(update_fields=["password", "updated_at"])
        _audit("password_set", actor, user)
    return user


def record_password_set(*, user_id: str, actor: str) -> None:
    """For Django's own form, which stores the password itself. In its transaction."""
    _audit("password_set", actor, _lock(user_id))


def clean_email(value: str | None) -> str | None:
    email = (value or "").strip()
    if not email:
        return None
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidValue("email is not an e-mail address", field="email") from error
    if len(email) > EMAIL_LENGTH:
        raise InvalidValue(f"email is longer than {EMAIL_LENGTH} characters", field="email")
    return email


def clean_display_name(value: str | None) -> str:
    name = (value or "").strip()
    if len(name) > DISPLAY_NAME_LENGTH:
        message = f"display_name is longer than {DISPLAY_NAME_LENGTH} characters"
        raise InvalidValue(message, field="display_name")
    return name


def clean_role(value: str) -> str:
    if value not in User.Role.values:
        raise InvalidValue(f"role must be one of {', '.join(User.Role.values)}", field="role")
    return value


def _lock(user_id: str) -> User:
    """The user, for change. All changes of users meet at one lock, the head of the audit chain:
    two admins who demote each other at the same moment would both see the other one left."""
    audit.lock_head()
    try:
        return User.objects.get(pk=user_id)
    except User.DoesNotExist:
        raise UserNotFound from None


def _apply(user: User, changes: UserChanges) -> list[str]:
    """Set what differs; the names of those fields."""
    wanted: dict[str, object] = {}
    if changes.email is not None:
        wanted["email"] = clean_email(changes.email)
    if changes.display_name is not None:
        wanted["display_name"] = clean_display_name(changes.display_name)
    if changes.role is not None:
        wanted["role"] = clean_role(changes.role)
    if changes.is_active is not None:
        wanted["is_active"] = changes.is_active
    if changes.filesystem_enabled is not None:
        wanted["filesystem_enabled"] = changes.filesystem_enabled
    changed = [name for name, value in wanted.items() if getattr(user, name) != value]
    for name in changed:
        setattr(user, name, wanted[name])
    return changed


def _require_an_admin(user: User) -> None:
    if user.role == User.Role.ADMIN and user.is_active:
        return
    admins = User.objects.active_admins()  # as they are stored, `user` unchanged
    if admins.filter(pk=user.pk).exists() and not admins.exclude(pk=user.pk).exists():
        raise LastAdmin


def _audit(kind: str, actor: str, user: User, **facts: object) -> None:
    # Ids, no addresses: the trail is never edited, and people may ask to be forgotten.
    audit.record(
        kind,
        actor=actor,
        run_id="",
        pack_id=audit.ADMINISTRATION,
        durable=True,
        user_id=user.pk,
        **facts,
    )
