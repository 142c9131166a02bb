"""People with a memory, who search it over HTTP, and settings for one test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts import attempts, verification
from accounts.models import User
from chat.live_settings.reading import forget
from chat.memory.documents import owner_of_document, write_document
from chat.models import SettingGroup
from tests.factories import make_key, make_user

Configure = Callable[..., None]


@dataclass(frozen=True)
class Person:
    """A user with a key."""

    client: Client
    user: User
    secret: str

    @property
    def id(self) -> str:
        return str(self.user.pk)

    def write(self, name: str, content: str) -> None:
        write_document(owner_of_document(name, self.id), name, content, actor=self.id)

    def get(self, **query: Any) -> Any:
        return self.client.get("/api/memory/search", query, headers={"X-API-Key": self.secret})

    def search(self, q: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.get(q=q, **query)
        assert answer.status_code == 200, answer.content
        hits: list[dict[str, Any]] = answer.json()
        return hits

    def sources(self, q: str, **query: Any) -> list[str]:
        return [hit["source"] for hit in self.search(q, **query)]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    verification.forget()
    attempts.forget()
    forget()
    yield
    forget()


@pytest.fixture
def person(client: Client, db: None) -> Callable[..., Person]:
    """A new user of a role."""

    def make(role: str = "user") -> Person:
        user = make_user(role=role)
        return Person(client, user, make_key(user=user).secret)

    return make


@pytest.fixture
def owner(person: Callable[..., Person]) -> Person:
    return person()


@pytest.fixture
def stranger(person: Callable[..., Person]) -> Person:
    return person()


@pytest.fixture
def configure(db: None) -> Configure:
    """Sets live settings: `configure("memory", chunk_size=400)`."""

    def change(group: str, **values: Any) -> None:
        SettingGroup.objects.update_or_create(name=group, defaults={"values": values})
        forget()

    return change
