"""Artifacts of runs: what a run wrote or attached, under which name, and who may read it."""

import re
import unicodedata
from typing import Any

from django.conf import settings
from django.db.models import Q

from accounts.principals import Principal
from project.lib.db import write_transaction
from runs import artifacts
from runs.errors import ArtifactNotFound, InvalidInput, RunNotFound
from runs.log.redaction import redact_text, redact_value
from runs.models import ArtifactRef, ArtifactRefQuerySet, Run
from runs.services.principals import principal_of_creator

ID_CHARS = 32
DEFAULT_TYPE = "application/octet-stream"

_UNNAMED = "artifact"
_NAME_CHARS, _TYPE_CHARS = 255, 200  # what the columns hold
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]+"  # noqa: S105 - of RFC 6838, none of ours
_CONTENT_TYPE = re.compile(
    rf'{_TOKEN}/{_TOKEN}(; ?{_TOKEN}=({_TOKEN}|"[^"\\\x00-\x1f\x7f-\uffff]*"))*'
)


def keep_artifact(
    run_id: str,
    path: str,
    step: int,
    name: str,
    content_type: str,
    data: bytes,
    metadata: dict[str, Any] | None = None,
) -> ArtifactRef:
    """Keep `data` as an artifact of a run.

    `path` names what wrote it: the node execution, or the tool call (`artifacts.path_of_call`). The
    same bytes under the same name from the same writer are one artifact: whoever is executed again
    after a crash finds what it kept before. Of `name` only what can be a file name is kept.

    Raises `InvalidInput` for more than `STARPORT_ARTIFACT_MAX_BYTES` and for a content type that is
    none; an empty one is `application/octet-stream`.
    """
    limit: int = settings.STARPORT_ARTIFACT_MAX_BYTES
    if len(data) > limit:
        raise InvalidInput(
            f"an artifact may have {limit:,} bytes, this one has {len(data):,}", field="data"
        )
    kind = _checked_type(content_type)
    # Long bytes are written before anybody has to wait for this transaction.
    artifacts.put(data)
    with write_transaction():
        ref, _ = ArtifactRef.objects.get_or_create(
            run_id=run_id,
            path=path,
            name=file_name(name),
            digest=artifacts.put(data),
            defaults={
                "step": step,
                "content_type": kind,
                "size": len(data),
                "metadata": redact_value(metadata or {}),
            },
        )
    return ref


def refer_to_artifact(run_id: str, path: str, step: int, artifact_id: str) -> ArtifactRef:
    """Make an artifact that was kept before one of this run as well.

    Raises `ArtifactNotFound` for one that neither the run's creator may see nor the run has.
    """
    with write_transaction():
        run = Run.objects.select_related("creator").get(pk=run_id)
        known = Q(run__in=Run.objects.visible_to(principal_of_creator(run))) | Q(run=run)
        source = _earliest(ArtifactRef.objects.filter(known), artifact_id)
        # Whoever deletes the source meanwhile asks, after this commit, who else needs the blob.
        artifacts.hold(source.digest)
        if not ArtifactRef.objects.filter(pk=source.pk).exists():
            raise ArtifactNotFound(f"artifact '{artifact_id}' not found")
        ref, _ = ArtifactRef.objects.get_or_create(
            run_id=run_id,
            path=path,
            name=source.name,
            digest=source.digest,
            defaults={"step": step, "content_type": source.content_type, "size": source.size},
        )
    return ref


def list_artifacts(caller: Principal, run_id: str) -> list[ArtifactRef]:
    """In the order they were written. Raises `RunNotFound` for a run the caller may not see."""
    if not Run.objects.visible_to(caller).filter(pk=run_id).exists():
        raise RunNotFound(f"there is no run {run_id}")
    return list(ArtifactRef.objects.filter(run_id=run_id).in_order())


def find_artifact(caller: Principal, artifact_id: str) -> ArtifactRef:
    """The earliest mention of an artifact among those that the caller may see.

    Raises `ArtifactNotFound` when there is none, and for what is no artifact id.
    """
    return _earliest(ArtifactRef.objects.visible_to(caller), artifact_id)


def file_name(name: str) -> str:
    """The last part of a path, as any system can show and store it."""
    last = redact_text(name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    # Controls, and marks that turn the direction of text, would let a name pass for another.
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C")
    return shown.strip(" .")[:_NAME_CHARS].rstrip(" .") or _UNNAMED


def _checked_type(content_type: str) -> str:
    kind = content_type.strip() or DEFAULT_TYPE
    if len(kind) > _TYPE_CHARS or not _CONTENT_TYPE.fullmatch(kind):
        raise InvalidInput(
            "content_type must be a media type such as text/plain", field="content_type"
        )
    return kind


def _earliest(refs: ArtifactRefQuerySet, artifact_id: str) -> ArtifactRef:
    ref = None
    if re.fullmatch(rf"[0-9a-f]{{{ID_CHARS}}}", artifact_id):
        # A range and not a prefix: SQLite has no index for LIKE. "g" sorts after every hex digit.
        begins = refs.filter(digest__gte=artifact_id, digest__lt=f"{artifact_id}g")
        ref = begins.in_order().first()
    if ref is None:
        raise ArtifactNotFound(f"artifact '{artifact_id}' not found")
    return ref
