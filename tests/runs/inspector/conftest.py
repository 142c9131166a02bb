"""Readers of the inspector, each with their way in."""

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from accounts import attempts, verification
from accounts.models import User
from tests.factories import make_key, make_user

Get = Callable[..., Any]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    verification.forget()
    attempts.forget()


@pytest.fixture
def admin(db) -> User:
    return make_user(role="admin")


@pytest.fixture
def owner(db) -> User:
    """May see its own runs only."""
    return make_user(role="user")


@pytest.fixture
def get(client: Client, db) -> Get:
    """GET as a viewer, or with the role or user named."""
    secrets: dict[str, str] = {}

    def get(path: str, *, role: str = "viewer", user: User | None = None) -> Any:
        name = user.pk if user else role
        if name not in secrets:
            secrets[name] = make_key(user=user, role=role).secret
        return client.get(path, headers={"X-API-Key": secrets[name]})

    return get


@pytest.fixture
def admin_client(client: Client, admin: User) -> Client:
    """A browser with an admin's login."""
    client.force_login(admin)
    return client


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


@pytest.fixture
def text_of() -> Callable[[Any], str]:
    """What a person reads on the page."""

    def text_of(response: Any) -> str:
        parser = _Text()
        parser.feed(response.content.decode())
        return " ".join(" ".join(parser.parts).split())

    return text_of
