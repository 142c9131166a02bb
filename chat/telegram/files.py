"""Files that come with a Telegram message."""

import mimetypes
from dataclasses import dataclass
from typing import Any

from chat.live_settings.groups import MEGABYTE, Attachments


@dataclass(frozen=True, slots=True)
class FileSent:
    """What Telegram says of a file; `size` is 0 when it does not say."""

    file_id: str
    name: str
    mime_type: str
    size: int


def files_of(message: dict[str, Any]) -> list[FileSent]:
    """At most one photo, in its largest size, and one document."""
    found = []
    photos = message.get("photo")
    if isinstance(photos, list) and photos:
        largest = max(photos, key=lambda size: size.get("width", 0) * size.get("height", 0))
        found.append(_sent(largest, "photo.jpg", "image/jpeg"))
    document = message.get("document")
    if isinstance(document, dict):
        name = str(document.get("file_name") or "document")
        kind = document.get("mime_type") or mimetypes.guess_type(name)[0]
        found.append(_sent(document, name, str(kind or "application/octet-stream")))
    return found


def checked(file: FileSent, settings: Attachments) -> str | None:
    """Why a file is not taken, or `None`."""
    if not settings.enabled:
        return "Attachments are disabled"
    if file.size > settings.max_file_size:
        most, size = settings.max_file_size / MEGABYTE, file.size / MEGABYTE
        return f"File '{file.name}' exceeds {most:.1f} MB limit ({size:.1f} MB)"
    extension = file.name.rpartition(".")[2].lower()
    if settings.allowed_extensions and extension not in settings.allowed_extensions:
        allowed = ", ".join(settings.allowed_extensions)
        return f"File extension '{extension}' is not allowed (allowed: {allowed})"
    return None


def _sent(item: dict[str, Any], name: str, mime_type: str) -> FileSent:
    return FileSent(str(item.get("file_id")), name, mime_type, int(item.get("file_size") or 0))
