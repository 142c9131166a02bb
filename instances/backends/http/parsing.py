"""What a backend answers, read tolerantly: the first generation's objects, and the second's.

Only the fields of the contract are taken. Whatever else an object carries is dropped here, above
all the secrets of its instance that a backend of the second generation shows everybody.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from instances.errors import BackendFailed
from instances.objects import Health, Listing, Report, SshAccess, Status, is_instance_id
from instances.times import read_time

_G1_STATUSES = {status.value: status for status in Status}
#: Words that only the second generation has; who uses one is of that generation.
_G2_STATUSES = {
    "pending": Status.CREATING,
    "provisioning": Status.CREATING,
    "starting": Status.CREATING,
    "restarting": Status.CREATING,
    "stopping": Status.PAUSED,
    "deleting": Status.STOPPED,
    "deleted": Status.STOPPED,
}
_G2_FIELDS = frozenset(
    {
        "agent_id",
        "organization_id",
        "gcp_instance_name",
        "zone",
        "machine_type",
        "starpod_api_key",
        "secret_overrides",
    }
)

_LARGEST = 2**63 - 1  # of the columns that remember it
_WEB_URL_MAX_CHARS = 500
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ReadList:
    """What could be read of a list, and what is wrong with each of the others."""

    listing: Listing
    complaints: tuple[str, ...]


def read_reports(body: bytes, *, is_g2: bool) -> ReadList:
    """A bare array, in its order. An instance that is listed twice counts once.

    Items that cannot be read are left out; a list of nothing else is an invalid response.
    """
    items = _json(body)
    if not isinstance(items, list):
        raise _invalid("the list of instances is no array")
    reports: dict[str, Report] = {}
    failures: list[BackendFailed] = []
    for item in items:
        try:
            report = _report(item, is_g2=is_g2)
        except BackendFailed as error:
            failures.append(error)
        else:
            reports.setdefault(report.id, report)
    if failures and not reports:
        raise failures[0]
    listing = Listing(reports.values())
    if failures:
        listing.unread = frozenset(filter(None, map(_id_within, items))) - reports.keys()
    return ReadList(listing, tuple(map(str, failures)))


def read_report(body: bytes, *, is_g2: bool) -> Report:
    return _report(_json(body), is_g2=is_g2)


def read_health(body: bytes) -> Health:
    return _health(_object(_json(body), "the health"))


def read_ssh_access(body: bytes) -> SshAccess:
    found = _object(_json(body), "the SSH access")
    host, port, user = (found.get(name) for name in ("host", "port", "user"))
    key = found.get("private_key")
    if not (isinstance(host, str) and host and isinstance(user, str) and user):
        raise _invalid("host and user of the SSH access must be texts")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 2**16:
        raise _invalid("the port of the SSH access is none")
    if key is not None and not isinstance(key, str):
        raise _invalid("the private key of the SSH access is no text")
    return SshAccess(host=host, port=port, user=user, private_key=key or None)


def _report(item: Any, *, is_g2: bool) -> Report:
    found = _object(item, "an instance")
    instance_id = _id_within(found)
    if not instance_id:
        raise _invalid("an instance has an id that cannot be one")
    created_at = read_time(found.get("created_at"))
    if created_at is None:
        raise _invalid(f"created_at of {instance_id} is no time")
    updated_at = read_time(found.get("updated_at"))
    return Report(
        id=instance_id,
        status=_status(found, is_g2=is_g2),
        created_at=created_at,
        updated_at=created_at if updated_at is None else updated_at,
        name=_text(found, "name"),
        region=_text(found, "region") or _text(found, "zone"),
        health=_health_within(found.get("health")),
        web_url=_web_url(found.get("web_url")),
        error=_text(found, "error_message") or "",
    )


def _id_within(item: Any) -> str:
    """Empty when there is none that can be one."""
    instance_id = item.get("id") if isinstance(item, dict) else None
    return instance_id if isinstance(instance_id, str) and is_instance_id(instance_id) else ""


def _status(found: Mapping[str, Any], *, is_g2: bool) -> Status:
    """In the first generation `stopped` is the end; in the second the disk is kept."""
    word = found.get("status")
    word = word.strip().lower() if isinstance(word, str) else ""
    if word in _G2_STATUSES:
        return _G2_STATUSES[word]
    if word == Status.STOPPED and (is_g2 or not _G2_FIELDS.isdisjoint(found)):
        return Status.PAUSED
    return _G1_STATUSES.get(word, Status.ERROR)


def _health_within(found: Any) -> Health | None:
    """Of an instance among others: one that is nonsense must not hide them all."""
    try:
        return None if found is None else _health(_object(found, "the health"))
    except BackendFailed:
        return None


def _health(found: Mapping[str, Any]) -> Health:
    last_heartbeat = read_time(found.get("last_heartbeat"))
    if last_heartbeat is None:
        raise _invalid("last_heartbeat is no time")
    return Health(
        cpu_percent=float(_number(found, "cpu_percent")),
        memory_mb=int(_number(found, "memory_mb")),
        disk_mb=int(_number(found, "disk_mb")),
        last_heartbeat=last_heartbeat,
        uptime_secs=int(_number(found, "uptime_secs")),
    )


def _number(found: Mapping[str, Any], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _invalid(f"{name} is no number")
    if not math.isfinite(value) or not 0 <= value <= _LARGEST:
        raise _invalid(f"{name} is out of range")
    return value


def _text(found: Mapping[str, Any], name: str) -> str | None:
    """What no database keeps and no terminal should see becomes a blank."""
    value = found.get(name)
    return _CONTROLS.sub(" ", value) if isinstance(value, str) else None


def _web_url(value: Any) -> str:
    """Only what a page may link to."""
    if not isinstance(value, str) or len(value) > _WEB_URL_MAX_CHARS or _CONTROLS.search(value):
        return ""
    try:
        parts = urlsplit(value)
        is_plain = bool(parts.hostname) and parts.username is None and parts.password is None
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and is_plain else ""


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _invalid("it is no JSON") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(f"{what} is no object")
    return value


def _invalid(complaint: str) -> BackendFailed:
    return BackendFailed(f"Invalid response: {complaint}")
