"""Content-addressed blobs: bytes kept under their own hash, outside the database.

Storage is Django's (`STORAGES["artifacts"]`): a folder by default, a bucket when settings name one.

A blob lives as long as a row refers to it: `ExternalPayload` or `ArtifactRef`. Whoever inserts such
a row calls `put` in the same transaction; whoever deleted some calls `release` after the commit.
`put` could find a blob that `release` is about to delete, because the row that needs it is not
committed yet, so both take a lock that lasts as long as their transaction: the write lock of the
file on SQLite, on PostgreSQL an advisory lock for each blob, shared by all who put it. Under it
`release` asks once more who refers to the blob. It holds one such lock at a time and waits for
nothing else meanwhile: there is no deadlock to be had.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from blake3 import blake3
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.db import connection

from project.lib.db import write_transaction
from runs.artifact_folder import PARTIAL
from runs.models import ArtifactRef, ExternalPayload

CHUNK_BYTES = 256 * 1024
PATH_CHARS = 300  # what `ArtifactRef.path` holds

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactMissing(Exception):
    """The store does not hold a blob of that hash."""


class ArtifactCorrupt(Exception):
    """The stored bytes do not hash to their name."""


def content_hash(data: bytes) -> str:
    """What `data` is kept under, in hex."""
    digest: str = _algorithms()[0](data).hexdigest()
    return digest


def put(data: bytes) -> str:
    """Keep `data`; returns its digest in hex. The same bytes are kept once.

    Inside a `write_transaction` the blob also stays until that ends, whoever releases it.
    """
    digest = content_hash(data)
    hold(digest)
    if _size(digest) != len(data):
        _storage().save(_path(digest), ContentFile(data))
    return digest


def hold(digest: str) -> None:
    """Nobody deletes the blob until the caller's `write_transaction` ends."""
    _lock(digest, shared=True)


def get(digest: str) -> bytes:
    """The bytes behind `digest`, checked. Raises `ArtifactMissing` or `ArtifactCorrupt`."""
    with open_blob(digest) as blob:
        return b"".join(blob)


class Blob:
    """A blob that is open and was checked. Iterating reads it in chunks, however large it is."""

    def __init__(self, file: "File[Any]") -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self._file.chunks(CHUNK_BYTES)

    def __enter__(self) -> "Blob":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()


def open_blob(digest: str) -> Blob:
    """Raises `ArtifactMissing` or `ArtifactCorrupt`. The caller closes it."""
    try:
        blob = Blob(_storage().open(_path(digest)))
    except FileNotFoundError:
        raise ArtifactMissing(digest) from None
    try:
        # Which algorithm a blob was kept under depends on the settings of that day.
        if not any(_hash(blob, algorithm) == digest for algorithm in _algorithms()):
            raise ArtifactCorrupt(digest)
    except BaseException:
        blob.close()
        raise
    return blob


def release(digests: Iterable[str]) -> None:
    """Delete those blobs that no row refers to. What does not exist is fine."""
    for digest in digests:
        with write_transaction():
            _lock(digest, shared=False)
            if not _referred_to([digest]):
                _storage().delete(_path(digest))


def probe() -> None:
    """Ask the storage something cheap. Raises whatever is wrong with it."""
    _storage().probe()  # type: ignore[attr-defined]  # both of ours have it


def find_orphans(before: datetime) -> Iterator[str]:
    """Names in the storage that nothing needs: blobs without a row, files never completed.

    Those last written after `before` are left out: their row may be on its way.
    """
    for folder in _folders():
        names = _list(folder)[1]
        partial = {name for name in names if name.endswith(PARTIAL)}
        digests = {name for name in names if _DIGEST.fullmatch(name)}
        for name in sorted(partial | digests - _referred_to(digests)):
            with suppress(FileNotFoundError):  # deleted since it was listed
                if _storage().get_modified_time(f"{folder}/{name}") < before:
                    yield f"{folder}/{name}"


def delete_orphan(name: str) -> None:
    """Delete what `find_orphans` found, unless something refers to it by now."""
    if name.endswith(PARTIAL):
        _storage().delete(name)
    else:
        release([name.rpartition("/")[2]])


def path_of_call(call_id: str) -> str:
    """`ArtifactRef.path` of what a tool call keeps."""
    return f"call:{call_id}"[:PATH_CHARS]


def _folders() -> Iterator[str]:
    for outer in sorted(_list("")[0]):
        for inner in sorted(_list(outer)[0]):
            yield f"{outer}/{inner}"


def _list(folder: str) -> tuple[list[str], list[str]]:
    """Folders and files in it."""
    try:
        return _storage().listdir(folder)
    except FileNotFoundError:
        return [], []


def _referred_to(digests: Iterable[str]) -> set[str]:
    wanted = list(digests)
    return {
        digest
        for rows in (ExternalPayload.objects, ArtifactRef.objects)
        for digest in rows.filter(digest__in=wanted).values_list("digest", flat=True)
    }


def _lock(digest: str, *, shared: bool) -> None:
    """Hold the blob's lock until the transaction ends; see the module's docstring."""
    if connection.vendor != "postgresql" or not connection.in_atomic_block:
        return
    key = int.from_bytes(bytes.fromhex(digest[:16]), signed=True)
    kind = "_shared" if shared else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock{kind}(%s)", [key])


def _algorithms() -> "tuple[Callable[..., Any], ...]":
    """What is kept now is hashed with the first one."""
    return (hashlib.sha256, blake3) if settings.STARPORT_FIPS else (blake3, hashlib.sha256)


def _hash(chunks: Iterable[bytes], algorithm: Callable[..., Any]) -> str:
    hasher = algorithm()
    for chunk in chunks:
        hasher.update(chunk)
    digest: str = hasher.hexdigest()
    return digest


def _size(digest: str) -> int | None:
    """Bytes of what is stored, or `None` when nothing is."""
    try:
        return _storage().size(_path(digest))
    except FileNotFoundError:
        return None


def _storage() -> Storage:
    return storages["artifacts"]


def _path(digest: str) -> str:
    # Two levels of folders keep directories small.
    return f"{digest[:2]}/{digest[2:4]}/{digest}"
