"""Callers of the gateway inside the test's process, for routes that wait for no run."""

from typing import Any

from django.test import Client

from tests.accounts.cast import Member, make_member


class Caller:
    """One member's requests, JSON in and out."""

    def __init__(self, member: Member | None = None) -> None:
        self.member = member
        self._client = Client(headers=member.headers if member else {})

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(path, query)

    def post(self, path: str, body: Any = None) -> Any:
        return self._client.post(path, body or {}, content_type="application/json")

    def put(self, path: str, body: Any) -> Any:
        return self._client.put(path, body, content_type="application/json")

    def delete(self, path: str) -> Any:
        return self._client.delete(path)

    def head(self, path: str) -> Any:
        return self._client.head(path)


def make_caller(role: str = "user", **fields: Any) -> Caller:
    return Caller(make_member(role=role, **fields))
