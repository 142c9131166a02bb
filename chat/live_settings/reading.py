"""The settings as they are now. Cheap enough to ask for on every message.

Values are remembered by the process until somebody changes one here, or a second has passed: what
another process changed acts within that second.
"""

import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import DatabaseError

from accounts.management.preflight import database_exists
from chat.live_settings import stored_secrets
from chat.live_settings.groups import GROUPS, Group, Instances, Providers, Redaction
from chat.live_settings.layers import (
    NAMES,
    PROVIDER_ADDRESSES,
    Layers,
    as_json,
    fitting,
    layers_of,
)
from chat.models import SettingGroup
from instances.operator_settings import MonitorSettings
from runs.operator_settings import OperatorSettings

logger = logging.getLogger(__name__)

GroupT = TypeVar("GroupT", bound=Group)

#: Seconds until what is remembered is read again.
FRESH_SECONDS = 1.0
#: The row that keeps what the settings file said last; see `chat.live_settings.file`.
FILE_ROW = "file"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment."""

    groups: Mapping[str, Group]
    secrets: Mapping[str, str] = field(repr=False)
    for_runs: OperatorSettings


class _Remembered:
    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._read_at = float("-inf")
        self._lock = threading.Lock()
        self._changes = 0  # that this process knows of
        self._remembering = threading.Lock()
        self._misfits: frozenset[str] = frozenset()

    def get(self) -> Snapshot:
        fresh = self._fresh
        if fresh is not None:
            return fresh
        with self._lock:
            return self._fresh or self._read()

    @property
    def _fresh(self) -> Snapshot | None:
        is_fresh = time.monotonic() - self._read_at < FRESH_SECONDS
        return self._snapshot if is_fresh else None

    def refresh(self) -> None:
        with self._lock:
            self._read()

    def forget(self) -> None:
        """What is being read meanwhile may be of before: it is not remembered."""
        with self._remembering:
            self._changes += 1
            self._read_at = float("-inf")

    @property
    def last(self) -> Snapshot | None:
        return self._snapshot

    def _read(self) -> Snapshot:
        began, changes = time.monotonic(), self._changes
        layers = read_layers()
        groups = {name: _group(name, found) for name, found in layers.items()}
        self._complain(layers, groups)
        secrets = stored_secrets.read_all()
        for_runs = _for_runs(groups, layers["providers"], secrets)
        self._snapshot = Snapshot(groups, secrets, for_runs)
        with self._remembering:
            self._read_at = began if changes == self._changes else float("-inf")
        return self._snapshot

    def _complain(self, layers: Mapping[str, Layers], groups: Mapping[str, Group]) -> None:
        """Once for each group that is not what was stored, and not again every second."""
        misfits = frozenset(
            name for name in groups if groups[name].model_dump(mode="json") != layers[name].merged
        )
        for name in misfits - self._misfits:
            logger.error("stored settings do not fit together", extra={"group": name})
        self._misfits = misfits


_remembered = _Remembered()


def current(kind: type[GroupT]) -> GroupT:
    """A group as it is now: `current(General).max_turns`."""
    group = _remembered.get().groups[NAMES[kind]]
    assert isinstance(group, kind)
    return group


def stored_secret(name: str) -> str:
    """A secret that was entered into the program; empty when there is none, or it is unreadable."""
    return _remembered.get().secrets.get(name, "")


def forget() -> None:
    """Something was changed here: the next reader reads anew."""
    _remembered.forget()


def read_layers() -> dict[str, Layers]:
    """Each group with its sources, as the database has them at this moment."""
    rows: dict[str, Any] = dict(SettingGroup.objects.values_list("name", "values"))
    said_in_file = rows.get(FILE_ROW, {}).get("values", {})
    return {
        name: layers_of(name, file=said_in_file.get(name, {}), database=rows.get(name, {}))
        for name in GROUPS
    }


def _group(name: str, layers: Layers) -> Group:
    """What is stored was checked when it was written. Since then a bound may have become narrower,
    or what lies beneath may have changed: then the database alone counts, or nothing does."""
    over_defaults = {**layers.defaults, **layers.database}
    return fitting(name, (layers.merged, over_defaults, layers.defaults))


def for_instances() -> MonitorSettings:
    """What the monitor of instances asks for."""
    return MonitorSettings(**as_json(current(Instances)))


class OperatorSource:
    """What runs ask for (`runs.operator_settings.Source`)."""

    def remembered(self) -> OperatorSettings:
        last = _remembered.last
        return last.for_runs if last is not None else OperatorSettings()

    def refresh(self) -> None:
        """Commands ask before they know whether there is a database, or one of this version."""
        if not database_exists():
            return
        try:
            _remembered.refresh()
        except DatabaseError:
            logger.debug("the live settings cannot be read", exc_info=True)


def _for_runs(
    groups: Mapping[str, Group], addresses: Layers, secrets: Mapping[str, str]
) -> OperatorSettings:
    providers, redaction = groups["providers"], groups["redaction"]
    assert isinstance(providers, Providers) and isinstance(redaction, Redaction)
    chosen = {
        setting: getattr(providers, name)
        for name, setting in PROVIDER_ADDRESSES.items()
        if addresses.origin(name) in ("file", "database")
    }
    chosen |= {name: secrets[name] for name in stored_secrets.PROVIDER_KEYS if name in secrets}
    return OperatorSettings(
        providers=tuple(sorted(chosen.items())),
        patterns=tuple(re.compile(source) for source in redaction.patterns),
        has_built_in_patterns=redaction.built_in,
    )
