"""Reading and writing documents. Which folder a name lies in decides whose it is.

`USER.md`, `MEMORY.md` and everything below `memory/` belong to a user; all else is shared. What is
written can be found from then on: its chunks change in the same transaction.
"""

import re
from collections.abc import Sequence

from blake3 import blake3
from django.db import models

from chat.errors import DocumentNotFound, OutOfRange
from chat.memory.indexing import index_document
from chat.models import MemoryDocument
from chat.signals import document_written, send_on_commit
from project.lib.db import write_transaction
from runs.log.redaction import redact_text
from runs.models import Run
from runs.storable import NUL

SHARED = ""
MAX_BYTES = 1_048_576
NAME_BYTES = 255
#: Editable in the settings: who the assistant is, and its prompts at times of their own.
PERSONALITY = ("SOUL.md", "HEARTBEAT.md", "BOOT.md", "BOOTSTRAP.md")

#: Where a folder of exported documents keeps those of users; no document is called so.
USERS = "users/"

_NAME = re.compile(r"(?:[^/\\\x00-\x1f]+/)*[^/\\\x00-\x1f]+\.md")

DEFAULT_SOUL = """\
# Who you are

You are a helpful assistant. You answer plainly, say what you do not know, and use your tools when
they help. What should be remembered for later you write into your memory.
"""


def owner_of_document(name: str, user: str) -> str:
    """Whose document a name means when `user` says it."""
    return user if is_personal(name) else SHARED


def is_personal(name: str) -> bool:
    """Whether each user has a document of that name."""
    return name in ("USER.md", "MEMORY.md") or name.startswith("memory/")


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


def list_documents(owner: str | None = None) -> models.QuerySet[MemoryDocument]:
    """An owner's documents, or everybody's, by owner and name; without their content."""
    documents = MemoryDocument.objects.defer("content").order_by("owner", "name")
    return documents if owner is None else documents.filter(owner=owner)


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


def delete_document(owner: str, name: str) -> None:
    """Forget a document; nothing finds it any more. Raises `DocumentNotFound`."""
    with write_transaction():
        deleted, _ = MemoryDocument.objects.filter(owner=owner, name=name).delete()
    if not deleted:
        raise DocumentNotFound(name)


def check_name(name: str) -> None:
    """Raises `OutOfRange` for what is no path of a document."""
    parts = name.split("/")
    if (
        not _NAME.fullmatch(name)
        or len(name.encode(errors="replace")) > NAME_BYTES
        or any(part in (".", "..") for part in parts)
        or name.startswith(USERS)
        or not _is_text(name)
    ):
        raise OutOfRange(f"{name[:100]!r} is no document: a path that ends in .md", field="name")


def check_content(content: str) -> None:
    """Raises `OutOfRange` for what no document can hold."""
    if NUL in content or not _is_text(content):
        raise OutOfRange("content must be text, without NUL characters", field="content")
    size = len(content.encode())
    if size > MAX_BYTES:
        raise OutOfRange(
            f"Content size ({size} bytes) exceeds maximum ({MAX_BYTES} bytes)", field="content"
        )


def digest_of(content: str) -> str:
    """As a document's row keeps it."""
    return blake3(content.encode()).hexdigest()


def _is_text(value: str) -> bool:
    """Half a surrogate pair, which JSON can spell, is none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _locked(owner: str, name: str) -> MemoryDocument:
    documents: models.QuerySet[MemoryDocument] = MemoryDocument.objects.select_for_update()
    document, _ = documents.get_or_create(
        owner=owner, name=name, defaults={"digest": digest_of("")}
    )
    return document


def _store(document: MemoryDocument, content: str, actor: str, run_id: str) -> None:
    content = redact_text(content)
    check_content(content)
    document.content = content
    document.digest = digest_of(content)
    document.updated_by = actor
    document.run = Run.objects.filter(pk=run_id).first() if run_id else None
    document.save(update_fields=["content", "digest", "updated_by", "run", "updated_at"])
    index_document(document)
    send_on_commit(document_written, owner=document.owner, name=document.name)
