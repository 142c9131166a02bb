"""An instance of the fake backend, and its object in both generations."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: What a backend of the second generation tells everybody, and nobody may be told on.
SECRETS = {
    "starpod_api_key": "sp_live_of_the_instance_itself",
    "secret_overrides": {"OPENAI_API_KEY": "sk-of-the-instance-itself"},
}


@dataclass
class FakeInstance:
    """Change it as you like: the next answer shows it."""

    id: str
    name: str | None
    region: str | None
    status: str
    created_at: int
    updated_at: int
    cpu_percent: float = 12.5
    memory_mb: int = 256
    disk_mb: int = 1024
    #: Unix seconds of the last heartbeat; `None`: it beats at any moment.
    heartbeat_at: int | None = None
    restart_heals: bool = True  # after a restart it beats again
    log: list[bytes] = field(default_factory=list)  # lines without their ends
    ssh: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)  # fields of its object beside the usual

    def health(self) -> dict[str, Any]:
        now = int(time.time())
        return {
            "cpu_percent": self.cpu_percent,
            "memory_mb": self.memory_mb,
            "disk_mb": self.disk_mb,
            "last_heartbeat": now if self.heartbeat_at is None else self.heartbeat_at,
            "uptime_secs": max(0, now - self.updated_at),
        }

    def as_g1(self) -> dict[str, Any]:
        times = {"created_at": self.created_at, "updated_at": self.updated_at}
        return {**self._common(), "region": self.region, **times, **self.extra}

    def as_g2(self) -> dict[str, Any]:
        created = datetime.fromtimestamp(self.created_at, UTC).isoformat()
        fields = {
            "created_at": created,
            "agent_id": "agent-1",
            "organization_id": "org-1",
            "description": None,
            "gcp_instance_name": f"gcp-{self.id}",
            "zone": self.region,
            "machine_type": "e2-small",
            "ip_address": "192.0.2.1",
            "error_message": None,
            "email_address": None,
            "web_url": f"https://{self.id}.example.com",
            "direct_url": None,
        }
        return {**self._common(), **fields, **SECRETS, **self.extra}

    def _common(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "status": self.status}
