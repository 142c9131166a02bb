"""Whoever asks for settings or changes them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client


@dataclass(frozen=True)
class Caller:
    """What happens after a commit happens after each request, as it does outside of tests."""

    client: Client
    commits: Callable[..., AbstractContextManager[Any]]

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def try_put(self, path: str, body: Any) -> Any:
        """The response, whatever it is."""
        with self.commits(execute=True):
            return self.client.put(path, body, content_type="application/json")

    def put(self, path: str, body: Any) -> None:
        answer = self.try_put(path, body)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"}), answer.content

    def post_form(self, path: str, **fields: Any) -> HttpResponse:
        with self.commits(execute=True):
            return self.client.post(path, fields)  # type: ignore[return-value]
