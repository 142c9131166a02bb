"""Live settings of a running server, changed in its database as another process would."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chat.live_settings.reading import FRESH_SECONDS
from tests.runs.api.daemon import change_stored
from tests.server import RunningServer

_NOW = "2026-01-01 00:00:00+00:00"


@contextmanager
def stored_settings(server: RunningServer, group: str, **values: Any) -> Iterator[None]:
    """The server has these values of the group inside, and its defaults again afterwards."""
    _forget(server, group)
    row = '(name, "values", revision, updated_at, updated_by) VALUES (%s, %s, %s, %s, %s)'
    change_stored(
        server, f"INSERT INTO chat_settinggroup {row}", group, json.dumps(values), 1, _NOW, "test"
    )
    _let_it_notice()
    try:
        yield
    finally:
        _forget(server, group)
        _let_it_notice()


def _forget(server: RunningServer, group: str) -> None:
    change_stored(server, "DELETE FROM chat_settinggroup WHERE name = %s", group)


def _let_it_notice() -> None:
    """What another process changed acts within this time, and nothing says when it has."""
    time.sleep(FRESH_SECONDS + 0.1)
