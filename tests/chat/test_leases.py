"""Turns at services that one process at a time may run."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.services.leases import LEASE, give_up, has_turn

pytestmark = pytest.mark.django_db


def test_whoever_comes_first_has_the_turn_and_keeps_it():
    now = timezone.now()

    assert has_turn("bot", now, "one")
    assert not has_turn("bot", now, "two")
    for seconds in range(1, 60):
        assert has_turn("bot", now + timedelta(seconds=seconds), "one")
        assert not has_turn("bot", now + timedelta(seconds=seconds), "two")


def test_a_process_that_died_loses_it():
    now = timezone.now()
    has_turn("bot", now, "dead")

    assert not has_turn("bot", now + LEASE - timedelta(seconds=1), "two")
    assert has_turn("bot", now + LEASE, "two")
    assert not has_turn("bot", now + LEASE, "dead")


def test_a_process_that_ends_gives_it_to_the_next():
    now = timezone.now()
    has_turn("bot", now, "one")

    give_up("bot", "two")
    assert not has_turn("bot", now, "two")
    give_up("bot", "one")
    assert has_turn("bot", now, "two")


def test_each_service_has_turns_of_its_own():
    now = timezone.now()
    has_turn("bot", now, "one")

    assert has_turn("another", now, "two")
