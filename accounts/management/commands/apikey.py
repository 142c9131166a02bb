"""`manage.py apikey create|list|revoke`."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from accounts.errors import AccountsError, UserNotFound
from accounts.management.output import note, print_table
from accounts.models import ApiKey, User
from accounts.services.api_keys import IssuedKey, find_key, issue_key, revoke_key
from accounts.services.users import create_user
from project import data_folder
from project.lib.db import write_transaction

ACTOR = "manage.py"  # whoever can run commands on the data folder

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """`30d`, `12h`, `90m`, `2w`."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if match is None or not int(match[1]):
        raise ArgumentTypeError(f"{text!r} is not a duration like 30d, 12h, 90m or 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Command(BaseCommand):
    help = "Create, list and revoke API keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="create a key; its secret is printed once")
        owner = create.add_mutually_exclusive_group(required=True)
        owner.add_argument(
            "--role", choices=User.Role.values, help="for a new user of this role, named LABEL"
        )
        owner.add_argument("--user", metavar="EMAIL|ID", help="for an existing user")
        create.add_argument("--label", default="", help="what the key is for")
        create.add_argument(
            "--capability",
            action="append",
            metavar="NAME",
            help="limit the key to this capability (repeatable); default: all of its owner's",
        )
        create.add_argument(
            "--expires", type=duration, metavar="DURATION", help="30d, 12h, 90m, 2w; default: never"
        )
        verbs.add_parser("list", help="list all keys, newest first")
        revoke = verbs.add_parser("revoke", help="revoke a key; takes effect with its next request")
        revoke.add_argument("key", metavar="PREFIX|ID")

    def handle(self, *args: Any, **options: Any) -> None:
        data_folder.require()
        verbs = {"create": self._create, "list": self._list, "revoke": self._revoke}
        try:
            verbs[options["verb"]](options)
        except AccountsError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"the database does not answer as expected: {error}") from error

    def _create(self, options: dict[str, Any]) -> None:
        with write_transaction():
            user = _find_user(options["user"]) if options["user"] else _new_user(options)
            issued = _issue(user, options)
        note(f"API key {issued.key.prefix} of {user} ({user.role}), shown once:")
        self.stdout.write(issued.secret)

    def _list(self, options: dict[str, Any]) -> None:
        columns = ("prefix", "state", "user", "role", "label", "limited to", "last used", "id")
        print_table(self.stdout, columns, _rows(), empty="There are no API keys.")

    def _revoke(self, options: dict[str, Any]) -> None:
        key = find_key(options["key"])
        if key.revoked_at is not None:
            note(f"API key {key.prefix} was revoked already, {_minute(key.revoked_at)}")
            return
        revoke_key(key_id=key.pk, actor=ACTOR)
        note(f"API key {key.prefix} of {key.user} is revoked")


def _issue(user: User, options: dict[str, Any]) -> IssuedKey:
    return issue_key(
        user_id=user.pk,
        actor=ACTOR,
        label=options["label"],
        limited_to=options["capability"],
        expires_at=timezone.now() + options["expires"] if options["expires"] else None,
    )


def _find_user(email_or_id: str) -> User:
    user = User.objects.filter(pk=email_or_id).first()
    user = user or User.objects.filter(email__iexact=email_or_id).first()
    if user is None:
        raise UserNotFound
    return user


def _new_user(options: dict[str, Any]) -> User:
    role = options["role"]
    return create_user(actor=ACTOR, display_name=options["label"] or f"{role} key", role=role)


def _rows() -> Iterator[tuple[str, ...]]:
    for key in ApiKey.objects.select_related("user").order_by("-created_at", "-pk"):
        yield (
            key.prefix,
            _state(key),
            str(key.user),
            key.user.role,
            key.label,
            "" if key.capabilities is None else ",".join(key.capabilities),
            _minute(key.last_used_at),
            key.pk,
        )


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.is_expired(timezone.now()):
        return "expired"
    return "active" if key.user.is_active else "user inactive"


def _minute(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
