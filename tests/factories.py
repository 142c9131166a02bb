"""Rows for tests, made the way the program makes them. Plain functions with honest defaults."""

from itertools import count
from typing import Any

from accounts.models import User
from accounts.services.api_keys import IssuedKey, issue_key
from accounts.services.users import create_user

_numbers = count(1)


def make_user(*, role: str = User.Role.USER, **fields: Any) -> User:
    """A user with an address of their own; `password=…` lets them log in."""
    fields.setdefault("email", f"user{next(_numbers)}@example.com")
    return create_user(actor="test", role=role, **fields)


def make_key(*, user: User | None = None, role: str = User.Role.ADMIN, **fields: Any) -> IssuedKey:
    """An API key and its secret, of `user` or of a new user with `role`."""
    owner = user or make_user(role=role)
    return issue_key(user_id=owner.pk, actor="test", **fields)
