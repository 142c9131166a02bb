"""`agent.toml` as its authors write it: which key is which setting."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from chat.live_settings.groups import GROUPS
from chat.live_settings.layers import PROVIDER_ADDRESSES, validated
from chat.live_settings.words import complaint

MAX_BYTES = 1_048_576

#: Tables that are a group of the same name. The general settings stand at the top.
_TABLES = ("memory", "cron", "frontend", "attachments", "compaction", "redaction", "instances")
#: Where other programs keep their secrets in this file. Ours are in the environment, or entered.
_SECRET_KEYS = frozenset({"api_key", "bot_token", "api_keys", "token", "secret", "password"})


class SettingsFileInvalid(Exception):
    """The file cannot be used. The message is one sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class FileSettings:
    values: dict[str, dict[str, Any]]  # by group, as JSON has them
    warnings: tuple[str, ...]  # what was left out, a sentence each


def parse_settings_file(content: bytes) -> FileSettings:
    """Raises `SettingsFileInvalid`. Keys that mean nothing here are left out with a warning: the
    file may come from a gateway that knows more of them."""
    if len(content) > MAX_BYTES:
        raise SettingsFileInvalid(f"it has more than {MAX_BYTES} bytes")
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise SettingsFileInvalid("it is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsFileInvalid(f"it is no TOML: {error}") from None
    reader = _Reader()
    reader.read(document)
    return FileSettings(reader.values, tuple(reader.warnings))


class _Reader:
    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.warnings: list[str] = []

    def read(self, document: Mapping[str, Any]) -> None:
        top = {key: value for key, value in document.items() if not isinstance(value, dict)}
        self._take("general", _with_one_model(top), "")
        for key, table in document.items():
            if not isinstance(table, dict):
                continue
            if key in _TABLES:
                self._take(key, table, f"{key}.")
            elif key == "channels":
                self._channels(table)
            elif key == "providers":
                self._providers(table)
            else:
                self.warnings.append(f"[{key}] means nothing here")

    def _channels(self, channels: Mapping[str, Any]) -> None:
        for key, table in channels.items():
            if key == "telegram" and isinstance(table, dict):
                self._take("telegram", table, "channels.telegram.")
            else:
                self.warnings.append(f"channels.{key} means nothing here")

    def _providers(self, providers: Mapping[str, Any]) -> None:
        found: dict[str, Any] = {}
        for provider, table in providers.items():
            field = f"{'google' if provider == 'gemini' else provider}_base_url"
            for key, value in table.items() if isinstance(table, dict) else ():
                if key == "base_url" and field in PROVIDER_ADDRESSES:
                    found[field] = value
                else:
                    self._leave_out(f"providers.{provider}.", key)
        self._take("providers", found, "providers.")

    def _take(self, group: str, table: Mapping[str, Any], prefix: str) -> None:
        known = GROUPS[group].model_fields
        found = {key: value for key, value in table.items() if key in known}
        for key in table.keys() - found.keys():
            self._leave_out(prefix, key)
        if not found:
            return
        try:
            # By itself: with what else counts it is checked where it is applied.
            fields_alone = {key: _checked(group, key, value) for key, value in found.items()}
        except ValidationError as error:
            raise SettingsFileInvalid(f"{prefix}{complaint(error)}") from None
        self.values[group] = fields_alone

    def _leave_out(self, prefix: str, key: str) -> None:
        if key in _SECRET_KEYS:
            self.warnings.append(
                f"{prefix}{key} is ignored: secrets belong into the environment or the admin"
            )
        else:
            self.warnings.append(f"{prefix}{key} means nothing here")


def _with_one_model(top: dict[str, Any]) -> dict[str, Any]:
    """Older files name one model in two halves."""
    provider, model = top.get("provider"), top.get("model")
    if not isinstance(provider, str) or not isinstance(model, str):
        return top
    rest = {key: value for key, value in top.items() if key not in ("provider", "model")}
    return {"models": [f"{provider}/{model}"], **rest}


def _checked(group: str, key: str, value: Any) -> Any:
    """The value as JSON has it. A date, say, is none of our types and refused as such."""
    if not isinstance(value, (str, int, float, bool, list)):
        value = None
    return validated(GROUPS[group], {key: value}).model_dump(mode="json")[key]
