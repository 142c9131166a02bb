"""Reading and writing documents. Which folder a name lies in decides whose it is.

`USER.md`, `MEMORY.md` and everything below `memory/` belong to a user; all else is shared.
"""

import re
from collections.abc import Sequence

from blake3 import blake3
from django.db import models

from chat.errors import OutOfRange
from chat.models import MemoryDocument
from chat.signals import document_written, send_on_commit
from project.lib.db import write_transaction
from runs.log.redaction import redact_text
from runs.models import Run

SHARED = ""
MAX_BYTES = 1_048_576
NAME_BYTES = 255
#: Editable in the settings: who the assistant is, and its prompts at times of their own.
PERSONALITY = ("SOUL.md", "HEARTBEAT.md", "BOOT.md", "BOOTSTRAP.md")

_NAME = re.compile(r"(?:[^/\\\x00-\x1f]+/)*[^/\\\x00-\x1f]+\.md")

DEFAULT_SOUL = """\
# Who you are

You are a helpful assistant. You answer plainly, say what you do not know, and use your tools when
they help. What should be remembered for later you write into your memory.
"""


def owner_of_document(name: str, user: str) -> str:
    """Whose document a name means when `user` says it."""
    return user if name in ("USER.md", "MEMORY.md") or name.startswith("memory/") else SHARED


def read_document(owner: str, name: str) -> str:
    """Its content; a document that nobody has written is empty, but for the default of SOUL.md."""
    content = (
        MemoryDocument.objects.filter(owner=owner, name=name)
        .values_list("content", flat=True)
        .first()
    )
    if content is None:
        return DEFAULT_SOUL if (owner, name) == (SHARED, "SOUL.md") else ""
    return content


def newest_documents(owner: str, prefix: str, limit: int) -> Sequence[MemoryDocument]:
    """The last `limit` by name directly in the folder `prefix`, in the order of their names."""
    found = (
        MemoryDocument.objects.filter(owner=owner, name__startswith=prefix)
        .exclude(name__regex=f"^{re.escape(prefix)}.*/")
        .order_by("-name")[:limit]
    )
    return sorted(found, key=lambda document: document.name)


def write_document(
    owner: str, name: str, content: str, *, actor: str, run_id: str = ""
) -> MemoryDocument:
    """Replace a document. Raises `OutOfRange` for a name that is no path to Markdown, or content
    that is too long. Secrets that settings know the look of are taken out first."""
    check_name(name)
    with write_transaction():
        document = _locked(owner, name)
        _store(document, content, actor, run_id)
    return document


def append_to_document(
    owner: str, name: str, text: str, *, heading: str, actor: str, run_id: str = ""
) -> MemoryDocument:
    """Add to the end of a document, which begins with `heading` when it is new."""
    check_name(name)
    with write_transaction():
        document = _locked(owner, name)
        _store(document, (document.content or heading) + text, actor, run_id)
    return document


def check_name(name: str) -> None:
    """Raises `OutOfRange` for what is no path of a document."""
    parts = name.split("/")
    if (
        not _NAME.fullmatch(name)
        or len(name.encode()) > NAME_BYTES
        or any(part in (".", "..") for part in parts)
    ):
        raise OutOfRange(f"'{name[:100]}' is no document: a path that ends in .md", field="name")


def _locked(owner: str, name: str) -> MemoryDocument:
    documents: models.QuerySet[MemoryDocument] = MemoryDocument.objects.select_for_update()
    document, _ = documents.get_or_create(
        owner=owner, name=name, defaults={"digest": blake3(b"").hexdigest()}
    )
    return document


def _store(document: MemoryDocument, content: str, actor: str, run_id: str) -> None:
    content = redact_text(content)
    size = len(content.encode(errors="replace"))
    if size > MAX_BYTES:
        raise OutOfRange(
            f"Content size ({size} bytes) exceeds maximum ({MAX_BYTES} bytes)", field="content"
        )
    document.content = content
    document.digest = blake3(content.encode(errors="replace")).hexdigest()
    document.updated_by = actor
    document.run = Run.objects.filter(pk=run_id).first() if run_id else None
    document.save(update_fields=["content", "digest", "updated_by", "run", "updated_at"])
    send_on_commit(document_written, owner=document.owner, name=document.name)
