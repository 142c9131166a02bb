"""Files that an answer delivers: what the assistant attached in the course of it."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chat.live_settings.groups import MEGABYTE
from runs import artifacts
from runs.models import ArtifactRef

MAX_BYTES = 20 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Delivery:
    file_name: str
    mime_type: str
    data: bytes

    def as_map(self) -> dict[str, str]:
        """As sockets and `POST /api/chat` send it."""
        return {
            "file_name": self.file_name,
            "mime_type": self.mime_type,
            "data": base64.b64encode(self.data).decode(),
        }


@dataclass(frozen=True, slots=True)
class Undeliverable:
    reason: str


def read_deliveries(
    run_id: str, attached: Iterable[Mapping[str, Any]]
) -> Iterator[Delivery | Undeliverable]:
    """What results of `attach` refer to, one after the other; each file once."""
    wanted = dict.fromkeys(str(item.get("artifact_id", "")) for item in attached)
    for artifact_id in filter(None, wanted):
        # A range and not a prefix: SQLite has no index for LIKE.
        mine = ArtifactRef.objects.filter(
            run_id=run_id, digest__gte=artifact_id, digest__lt=f"{artifact_id}g"
        )
        ref = mine.order_by("pk").first()
        if ref is None:
            yield Undeliverable("An attached file is there no more")
        elif ref.size > MAX_BYTES:
            most, has = MAX_BYTES / MEGABYTE, ref.size / MEGABYTE
            yield Undeliverable(f"File '{ref.name}' exceeds {most:.1f} MB limit ({has:.1f} MB)")
        else:
            try:
                yield Delivery(ref.name, ref.content_type, artifacts.get(ref.digest))
            except (artifacts.ArtifactMissing, artifacts.ArtifactCorrupt):
                yield Undeliverable(f"File '{ref.name}' cannot be read any more")
