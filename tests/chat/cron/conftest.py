"""Cron jobs with an engine in this process."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from chat import receivers
from chat.live_settings.reading import forget
from runs.tools.base import Tool
from tests.chat.cron.scheduling import Gate, Scheduling, set_settings
from tests.factories import make_user
from tests.runs.engine.conftest import harness, register_tool

__all__ = ["harness", "register_tool"]


@pytest.fixture(autouse=True)
def _audit_at_once(settings: Any) -> None:
    """No background thread that writes the records of one test into the database of the next."""
    settings.STARPORT_AUDIT_FLUSH_MS = 0
    settings.MODEL_NAMES = ["scripted:scripted"]


@pytest.fixture(autouse=True)
def _nothing_is_left_over() -> Iterator[None]:
    """Neither remembered settings nor a receiver that is still at work."""
    forget()
    yield
    receivers._thread.submit(connections.close_all).result()
    forget()


@pytest.fixture
def scheduling(transactional_db: None) -> Scheduling:
    set_settings("cron", max_concurrent_runs=8)
    return Scheduling(make_user().pk)


@pytest.fixture
def gate(register_tool: Callable[[Tool], Tool]) -> Gate:
    gate = Gate()
    register_tool(gate.tool)
    return gate
