"""Whose conversations exist for whom, where a credential holds less than its user, or has none."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import jwks
from chat.models import Session
from tests.accounts.issuer import Issuer, running_issuer
from tests.chat.callers import make_caller

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _audit_at_once(settings: Any) -> None:
    settings.STARPORT_AUDIT_FLUSH_MS = 0


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    jwks.forget()
    with running_issuer() as issuer:
        for name, value in issuer.settings.items():
            setattr(settings, name, value)
        yield issuer
    jwks.forget()


def make_session(owner: str) -> Session:
    return Session.objects.create(
        owner=owner, channel="main", key="k", last_message_at=timezone.now()
    )


def seen_by(caller: Any) -> set[str]:
    return {session["id"] for session in caller.get("/api/sessions").json()}


def test_an_administrators_key_for_chats_alone_sees_its_own_alone():
    limited = make_caller("admin", limited_to=["chat:use"])
    assert limited.member is not None
    mine, other = make_session(limited.member.user.pk), make_session("somebody")

    assert seen_by(limited) == {mine.pk}
    assert limited.get(f"/api/sessions/{other.pk}/messages").status_code == 404
    assert seen_by(make_caller("admin")) == {mine.pk, other.pk}


def test_callers_whom_tokens_name_have_conversations_of_their_own(issuer: Issuer):
    alice = Client(headers=issuer.headers(sub="alice", caps=["chat:use"]))
    bob = Client(headers=issuer.headers(sub="bob", caps=["chat:use"]))
    body = {"text": "hello", "channel_id": "slack"}

    first = alice.post("/api/chat", body, content_type="application/json")
    second = bob.post("/api/chat", body, content_type="application/json")

    assert (first.status_code, second.status_code) == (200, 200), (first.content, second.content)
    assert len(seen_by(alice)) == len(seen_by(bob)) == 1
    assert seen_by(alice).isdisjoint(seen_by(bob))


def test_a_list_has_twenty_unless_told_otherwise_and_two_hundred_at_most():
    caller, now = make_caller(), timezone.now()
    assert caller.member is not None
    owner = caller.member.user.pk
    Session.objects.bulk_create(
        Session(owner=owner, channel="main", key=f"k{number}", last_message_at=now)
        for number in range(205)
    )

    lengths = [len(caller.get("/api/sessions", **query).json()) for query in ({}, {"limit": 9_999})]

    assert lengths == [20, 200]
