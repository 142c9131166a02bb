"""Files that come with messages: checked, and stored where the assistant's tools read."""

import base64
import binascii
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils import timezone

from accounts.principals import Principal
from chat.live_settings import current
from chat.live_settings.groups import MEGABYTE, Attachments
from runs.tools import sandbox
from runs.tools.builtin.files import files_root
from runs.tools.builtin.uploads import FOLDER, stored_path

NAME_BYTES = 200  # a file system takes 255, and the stamp stands before it
TWINS = 1_000  # files of one name in one second

#: What models take as images, by the bytes they begin with.
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came in. `data` is base64, of the standard alphabet."""

    name: str
    mime_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that was stored below the files folder; `path` is as its user's runs know it."""

    name: str
    mime_type: str
    path: str
    size: int  # bytes

    def as_map(self) -> dict[str, str | int]:
        return {
            "name": self.name,
            "mime_type": self.mime_type,
            "path": self.path,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that is not taken, and why, for whoever sent it."""

    reason: str


def take_in(uploads: Iterable[Upload], *, caller: Principal) -> Iterator[Attachment | Rejected]:
    """Check and store each file by itself: one that is not taken does not hold up the others."""
    settings = current(Attachments)
    for upload in uploads:
        if complaint := _complaint(upload, settings):
            yield Rejected(complaint)
            continue
        try:
            data = base64.b64decode(upload.data, validate=True)
        except (binascii.Error, ValueError):
            yield Rejected(f"File '{_shown(upload.name)}' is not valid base64")
            continue
        yield store(upload.name, upload.mime_type, data, caller=caller)


def store(name: str, mime_type: str, data: bytes, *, caller: Principal) -> Attachment:
    """Keep bytes under a name of their own in the caller's folder of downloads."""
    stamp = timezone.now().strftime("%Y%m%d_%H%M%S")
    safe = safe_name(name)
    for twin in range(TWINS):
        number = f"_{twin + 1}" if twin else ""
        path = f"{FOLDER}/{stamp}{number}_{safe}"
        try:
            place = stored_path(path, user_id=caller.user_id, actor=caller.actor)
            sandbox.add(files_root(), place, data)
        except sandbox.Taken:
            continue
        return Attachment(safe, mime_type[:200], path, len(data))
    raise sandbox.Taken(f"there are {TWINS} files of that name")


def image_type(data: bytes) -> str:
    """Which kind of image that models take it is, by its first bytes; empty for none."""
    for signature, kind in _IMAGES:
        if data.startswith(signature):
            return kind
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return "image/webp" if is_webp else ""


def safe_name(name: str) -> str:
    """The name with everything replaced that could lead elsewhere or break a line."""
    replaced = name.replace("..", "_")
    for sign in "/\\:\0":
        replaced = replaced.replace(sign, "_")
    shown = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in replaced)
    return _cut(shown) or "_"


def _complaint(upload: Upload, settings: Attachments) -> str:
    if not settings.enabled:
        return "Attachments are disabled"
    size = len(upload.data) * 3 // 4
    if size > settings.max_file_size:
        most, has = settings.max_file_size / MEGABYTE, size / MEGABYTE
        return f"File '{_shown(upload.name)}' exceeds {most:.1f} MB limit ({has:.1f} MB)"
    extension = upload.name.rpartition(".")[2].lower()
    allowed = settings.allowed_extensions
    if allowed and extension not in allowed:
        listed = ", ".join(allowed)
        return f"File extension '{_shown(extension)}' is not allowed (allowed: {listed})"
    return ""


def _shown(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}..."


def _cut(name: str) -> str:
    """At most `NAME_BYTES` bytes, the extension kept."""
    if len(name.encode()) <= NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 20:
        stem, dot, extension = name, "", ""
    room = NAME_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + extension
