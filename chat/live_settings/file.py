"""Settings from `config/agent.toml`: read when a server starts and whenever the file changes.

What it says is kept in the database, so that every process counts it, and so that a file that has
become bad changes nothing. Where several servers have such files, the one that changed last counts.
"""

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import models
from django.utils import timezone
from pydantic import ValidationError

from accounts import audit
from chat.live_settings.file_format import (
    FileSettings,
    SettingsFileInvalid,
    parse_settings_file,
)
from chat.live_settings.groups import GROUPS
from chat.live_settings.layers import layers_of, validated
from chat.live_settings.reading import FILE_ROW
from chat.live_settings.words import complaint
from chat.live_settings.writing import PACK_ID, tell_on_commit, warn_of_restart
from chat.models import SettingGroup
from project.lib.db import write_transaction

logger = logging.getLogger(__name__)

ACTOR = "config/agent.toml"


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What became of the file when it was read last."""

    place: str = ""  # machine and path; empty: there never was one
    problem: str = ""  # why its last change was not taken over
    warnings: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # that count from it, as group.field
    read_at: str = ""  # RFC 3339


class SettingsFile:
    """The file of one server."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = f"{socket.gethostname()}:{path}"
        self._seen: bytes | str | None = ""  # nothing that a file can be

    def look(self) -> None:
        """Make what the file says count, when it is another one than at the last look.

        A file that could not be taken over is tried again: what it did not fit may have changed.
        """
        found, status = self._read(), file_status()
        is_ours = status.place == self._place
        if found == self._seen and not (is_ours and status.problem):
            return
        self._seen = found
        if found is None and not is_ours:
            return  # another server's file counts, or there never was one
        with write_transaction():
            row = _locked()
            try:
                if isinstance(found, str):
                    raise SettingsFileInvalid(found)
                said = parse_settings_file(found or b"")
                _require_fitting(said)
            except SettingsFileInvalid as error:
                self._refuse(row, str(error))
            else:
                self._take_over(row, said)

    def _read(self) -> bytes | str | None:
        """The content; why it cannot be read; nothing when there is no file."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.strerror or "it cannot be read"

    def _refuse(self, row: SettingGroup, problem: str) -> None:
        if _save(row, place=self._place, problem=problem, warnings=[]):
            logger.warning("the settings file changes nothing", extra={"reason": problem})

    def _take_over(self, row: SettingGroup, said: FileSettings) -> None:
        before = row.values.get("values", {})
        is_news = _save(
            row, place=self._place, problem="", warnings=list(said.warnings), values=said.values
        )
        if not is_news:
            return
        for warning in said.warnings:
            logger.warning("left out of the settings file", extra={"reason": warning})
        changed = sorted(
            group for group in GROUPS if before.get(group, {}) != said.values.get(group, {})
        )
        for group in changed:
            tell_on_commit(group)
            warn_of_restart(_differing(before.get(group, {}), said.values.get(group, {})))
        if changed:
            logger.info("the settings file was applied", extra={"groups": changed})
            audit.record(
                "settings_file_applied", actor=ACTOR, pack_id=PACK_ID, durable=True, groups=changed
            )


def file_status() -> FileStatus:
    row = SettingGroup.objects.filter(pk=FILE_ROW).first()
    return _status(row.values if row else {})


def _require_fitting(found: FileSettings) -> None:
    """Raises `SettingsFileInvalid` unless every group can stand with what else counts."""
    database = dict(SettingGroup.objects.values_list("name", "values"))
    for name, kind in GROUPS.items():
        layers = layers_of(name, file=found.values.get(name, {}), database=database.get(name, {}))
        try:
            validated(kind, layers.merged)
        except ValidationError as error:
            raise SettingsFileInvalid(f"{name}: {complaint(error)}") from None


def _locked() -> SettingGroup:
    rows: models.QuerySet[SettingGroup] = SettingGroup.objects.select_for_update()
    row, _ = rows.get_or_create(name=FILE_ROW)
    return row


def _save(row: SettingGroup, **said: Any) -> bool:
    """Whether that is news. What `said` leaves out stays as it is."""
    if all(row.values.get(name) == value for name, value in said.items()):
        return False
    row.values = {**row.values, **said, "read_at": timezone.now().isoformat()}
    row.updated_by = ACTOR
    row.revision += 1
    row.save(update_fields=["values", "revision", "updated_by", "updated_at"])
    return True


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = before.keys() | after.keys()
    return [name for name in names if before.get(name) != after.get(name)]


def _status(values: Mapping[str, Any]) -> FileStatus:
    said: Mapping[str, Mapping[str, Any]] = values.get("values", {})
    return FileStatus(
        place=values.get("place", ""),
        problem=values.get("problem", ""),
        warnings=tuple(values.get("warnings", ())),
        fields=tuple(f"{group}.{name}" for group in sorted(said) for name in sorted(said[group])),
        read_at=values.get("read_at", ""),
    )
