"""Documents that a person changes, on record in the audit trail."""

from accounts import audit
from chat.memory.documents import delete_document, write_document
from chat.memory.indexing import reindex
from chat.models import MemoryDocument
from project.lib.db import write_transaction


def write_by_hand(owner: str, name: str, content: str, *, actor: str) -> MemoryDocument:
    """Raises `OutOfRange`, as `write_document` does."""
    with write_transaction():
        document = write_document(owner, name, content, actor=actor)
        _record("memory_document_written", actor, document=name, owner=owner)
    return document


def delete_by_hand(owner: str, name: str, *, actor: str) -> None:
    """Raises `DocumentNotFound`."""
    with write_transaction():
        delete_document(owner, name)
        _record("memory_document_deleted", actor, document=name, owner=owner)


def reindex_by_hand(*, actor: str) -> None:
    _record("memory_reindexed", actor)
    reindex()


def _record(kind: str, actor: str, **facts: str) -> None:
    audit.record(kind, actor=actor, pack_id=audit.RUNTIME, durable=True, **facts)
