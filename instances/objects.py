"""What a backend says about its instances, as the rest of the app works with it.

Times are Unix seconds, as on the wire. How a backend writes these things is its client's business:
`instances.backends`.
"""

import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

INSTANCE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def is_instance_id(text: str) -> bool:
    """Whether it may stand in a path: one segment, and none that leads upwards."""
    return INSTANCE_ID.fullmatch(text) is not None and text not in (".", "..")


class Status(StrEnum):
    """`creating → running ⇄ paused`; `running → stopped | error`."""

    CREATING = "creating"
    RUNNING = "running"
    PAUSED = "paused"  # suspended; a restart continues it
    STOPPED = "stopped"  # killed, for good
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Health:
    cpu_percent: float
    memory_mb: int
    disk_mb: int
    last_heartbeat: int
    uptime_secs: int

    def age_at(self, now: int) -> int:
        """Seconds since the last heartbeat."""
        return now - self.last_heartbeat


@dataclass(frozen=True, slots=True)
class Report:
    """One instance as its backend describes it now."""

    id: str
    status: Status
    created_at: int
    updated_at: int
    name: str | None = None
    region: str | None = None
    health: Health | None = None
    #: Where people can talk to it, if the backend says. Never on the wire of the gateway.
    web_url: str = ""
    #: Why it is in `Status.ERROR`, if the backend says.
    error: str = ""


class Listing(list[Report]):
    """All instances that a backend told of, in its order."""

    #: Ids that it listed as well, with nothing more that could be read.
    unread: frozenset[str] = frozenset()


def instance_map(report: Report) -> dict[str, Any]:
    """The object of the contract, and nothing else of what the backend said."""
    return {
        "id": report.id,
        "name": report.name,
        "status": report.status.value,
        "region": report.region,
        "created_at": report.created_at,
        "updated_at": report.updated_at,
        "health": asdict(report.health) if report.health else None,
    }


@dataclass(frozen=True, slots=True)
class LogEntry:
    timestamp: int  # 0 when the line has none
    level: str  # error, warn, info, debug or trace; another word is passed on
    message: str


@dataclass(frozen=True, slots=True)
class SshAccess:
    host: str
    port: int
    user: str
    private_key: str | None = field(default=None, repr=False)  # PEM
