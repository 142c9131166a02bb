"""Documents as files in a folder: the shared ones at its top, a user's in `users/<id>/`.

Neither way goes through a symbolic link, whoever changes the folder meanwhile: each step of a path
is opened relative to the one before it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chat.errors import ChatError
from chat.memory.documents import (
    MAX_BYTES,
    SHARED,
    USERS,
    check_content,
    check_name,
    digest_of,
    is_personal,
    list_documents,
    read_document,
)
from chat.models import MemoryDocument
from runs.log.redaction import redact_text
from runs.tools import sandbox

_OWNER = re.compile(r"[A-Za-z0-9_-]{1,100}")
_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotADocument(ChatError):
    """A file that no document can be made of, or a document that no file can be made of."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the folder, and the document that it is."""

    path: str  # relative to the folder
    owner: str
    name: str


def find_files(folder: Path) -> Iterator[Found | NotADocument]:
    """Every Markdown file, by path. What lies about beside them is nobody's business."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".md"):
                path = Path(place, name).relative_to(folder).as_posix()
                try:
                    yield _document_at(path)
                except ChatError as error:
                    yield NotADocument(f"{path}: {error}")


def read_file(folder: Path, found: Found) -> str:
    """Its content as a document would have it. Raises `NotADocument`."""
    try:
        content = sandbox.read(folder, found.path, MAX_BYTES).decode()
        check_content(content)
    except UnicodeDecodeError:
        raise NotADocument(f"{found.path}: is not UTF-8") from None
    except (sandbox.Refused, ChatError) as error:
        raise NotADocument(f"{found.path}: {error}") from None
    return redact_text(content)


def is_stored(found: Found, content: str) -> bool:
    """Whether the document says that already."""
    digest = digest_of(content)
    return MemoryDocument.objects.filter(owner=found.owner, name=found.name, digest=digest).exists()


def path_of(document: MemoryDocument) -> str:
    """Where a document lies in a folder. Raises `NotADocument` for an owner with an odd name."""
    if document.owner == SHARED:
        return document.name
    if not _OWNER.fullmatch(document.owner):
        raise NotADocument(f"{document.owner!r} cannot be the name of a folder")
    return f"{USERS}{document.owner}/{document.name}"


def paths(owner: str | None = None) -> Iterator[tuple[MemoryDocument, str]]:
    """All documents, or an owner's, with the paths they are exported to."""
    for document in list_documents(owner).iterator():
        yield document, path_of(document)


def write_file(folder: Path, document: MemoryDocument, path: str) -> None:
    """Write a document there, over the file that may be there. Raises `OSError`."""
    content = read_document(document.owner, document.name).encode()
    *steps, name = path.split("/")
    with (
        _opened(folder, steps) as place,
        open(name, "wb", opener=lambda file, _: os.open(file, _NEW, 0o600, dir_fd=place)) as stream,
    ):
        stream.write(content)


def _document_at(path: str) -> Found:
    owner, name = SHARED, path
    if path.startswith(USERS):
        owner, _, name = path.removeprefix(USERS).partition("/")
        if not _OWNER.fullmatch(owner):
            raise NotADocument("users/ holds a folder for each user, called by the id")
        if not is_personal(name):
            raise NotADocument("a user has USER.md, MEMORY.md and what lies below memory/")
    elif is_personal(name):
        raise NotADocument("is a user's: it belongs below users/<id>/")
    check_name(name)
    return Found(path, owner, name)


@contextmanager
def _opened(folder: Path, steps: list[str]) -> Iterator[int]:
    """The descriptor of a folder below `folder`, made where it is missing."""
    current = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps:
            with suppress(FileExistsError):
                os.mkdir(step, 0o700, dir_fd=current)
            inner = os.open(step, _STEP, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)
