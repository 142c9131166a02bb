"""The first user: made at the first start, or by the first caller of an open server."""

from dataclasses import dataclass

from accounts import audit
from accounts.errors import UsersExist
from accounts.models import User
from accounts.services.api_keys import IssuedKey, check_importable, import_key, issue_key
from accounts.services.users import create_user
from project.lib.db import write_transaction

ACTOR = "bootstrap"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the start did. `secret` is to be printed, once, to the console and nowhere else."""

    created: bool
    secret: str | None = None


def bootstrap_admin(*, imported_key: str = "") -> Bootstrap:
    """Create the admin and their key if there is no user at all.

    `imported_key` (`STARPOD_API_KEY`) becomes their key; empty, one is generated. Once users
    exist it is ignored. Raises `InvalidValue` for an imported key that could be guessed.
    """
    if User.objects.exists():
        return Bootstrap(created=False)
    if imported_key:
        check_importable(imported_key)
    with write_transaction():
        audit.lock_head()  # two starts at once meet here
        if User.objects.exists():
            return Bootstrap(created=False)
        return Bootstrap(created=True, secret=_create_admin(imported_key))


def create_first_user(
    *,
    actor: str,
    email: str | None = None,
    display_name: str | None = None,
    filesystem_enabled: bool = False,
) -> tuple[User, IssuedKey]:
    """The first user, created over HTTP while the server is open: an admin, with a key.

    Raises `UsersExist` if somebody else was first.
    """
    with write_transaction():
        audit.lock_head()
        if User.objects.exists():
            raise UsersExist("there is a user already")
        user = create_user(
            actor=actor,
            email=email,
            display_name=display_name,
            role=User.Role.ADMIN,
            filesystem_enabled=filesystem_enabled,
        )
        issued = issue_key(user_id=user.pk, actor=actor, label="First admin key")
        _audit(actor, user)
    return user, issued


def _create_admin(imported_key: str) -> str | None:
    """The secret to print; none for an imported key, which the operator has."""
    admin = create_user(
        actor=ACTOR, display_name="Admin", role=User.Role.ADMIN, filesystem_enabled=True
    )
    secret = None
    if imported_key:
        import_key(
            user_id=admin.pk,
            actor=ACTOR,
            secret=imported_key,
            label="Imported from STARPOD_API_KEY",
        )
    else:
        secret = issue_key(user_id=admin.pk, actor=ACTOR, label="Auto-generated admin key").secret
    _audit(ACTOR, admin)
    return secret


def _audit(actor: str, admin: User) -> None:
    audit.record(
        "bootstrap",
        actor=actor,
        pack_id=audit.ADMINISTRATION,
        durable=True,
        user_id=admin.pk,
        detail="Admin user created",
    )
