"""The settings as they are now. Cheap enough to ask for on every message.

Values are remembered by the process until somebody changes one here, or a second has passed: what
another process changed acts within that second.
"""

import logging
import threading
import time
from typing import TypeVar

from pydantic import ValidationError

from chat.live_settings.groups import GROUPS, Group
from chat.models import SettingGroup

logger = logging.getLogger(__name__)

GroupT = TypeVar("GroupT", bound=Group)

#: Seconds until what is remembered is read again.
FRESH_SECONDS = 1.0

_NAMES = {kind: name for name, kind in GROUPS.items()}


class _Remembered:
    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def get(self, name: str) -> Group:
        if time.monotonic() - self._read_at >= FRESH_SECONDS:
            with self._lock:
                if time.monotonic() - self._read_at >= FRESH_SECONDS:
                    began = time.monotonic()
                    self._groups = _read_all()
                    self._read_at = began
        return self._groups[name]

    def forget(self) -> None:
        self._read_at = float("-inf")


_remembered = _Remembered()


def current(kind: type[GroupT]) -> GroupT:
    """A group as it is now: `current(General).max_turns`."""
    group = _remembered.get(_NAMES[kind])
    assert isinstance(group, kind)
    return group


def forget() -> None:
    """Something was changed here: the next reader reads anew."""
    _remembered.forget()


def _read_all() -> dict[str, Group]:
    stored = dict(SettingGroup.objects.values_list("name", "values"))
    return {name: _group(name, kind, stored.get(name, {})) for name, kind in GROUPS.items()}


def _group(name: str, kind: type[Group], values: dict[str, object]) -> Group:
    """What is stored was checked when it was written; a bound may have become narrower since."""
    try:
        return kind.model_validate(values)
    except ValidationError:
        logger.exception("stored settings do not fit, their defaults count", extra={"group": name})
        return kind()
