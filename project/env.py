"""Readers of environment variables that refuse nonsense and name the variable in the complaint."""

import os
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from accounts.profiles import VARIABLES, ProfileError, choose_profile

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
_SECONDS_PER_UNIT = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|m|h|d|)")


def env_str(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def env_choice(name: str, choices: Sequence[str], default: str) -> str:
    value = env_str(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def env_profile(name: str) -> str:
    """The security profile that the environment names, in this variable or its other names."""
    assert name in VARIABLES
    try:
        return choose_profile(os.environ).name
    except ProfileError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None


def env_secret(name: str) -> str:
    """A secret from the variable, or from the file that `<name>_FILE` names."""
    value = os.environ.get(name, "")
    path = os.environ.get(f"{name}_FILE", "")
    if value or not path:
        return value
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}") from error


def env_store(name: str, default: str) -> str:
    """`memory`, or the address of a Redis, which may hold a password and is never repeated."""
    value = env_secret(name).strip()
    if not value or value == "memory":
        return value or default
    try:
        parts = urlsplit(value)
        is_address = parts.scheme in ("redis", "rediss", "unix") and parts.port != 0
    except ValueError:  # a port that is no number
        is_address = False
    if not is_address:
        raise ImproperlyConfigured(f"{name} must be memory, or an address like redis://host:6379")
    return value


def env_bool(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}")


def env_int(name: str, default: int, *, minimum: int | None = None) -> int:
    value = env_str(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}") from None
    if minimum is not None and number < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {number}")
    return number


def env_seconds(name: str, default: float, *, minimum: float | None = None) -> float:
    """A duration such as `90`, `90s`, `5m` or `1h`, in seconds."""
    value = env_str(name)
    if not value:
        return default
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} {error}") from None
    if minimum is not None and seconds < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum:g} seconds, not {value!r}")
    return seconds


def env_list(name: str) -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [item.strip() for item in os.environ.get(name, "").split(",") if item.strip()]


def env_lines(name: str) -> list[str]:
    """One value per line, for values that may hold commas; blank lines dropped."""
    return [line.strip() for line in os.environ.get(name, "").splitlines() if line.strip()]


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `5m`, `1h30m`, `-1`. Raises `ValueError` that names what it got."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"must be a duration such as 90s, 5m or 1h, not {text!r}")
    return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts)
