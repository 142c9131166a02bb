"""Changes of instances as notifications, to whoever holds `instances:read`."""

from collections import Counter
from collections.abc import Sequence

from accounts import capabilities
from chat.notifications import PREVIEW_BYTES, Notification, announce
from chat.services.transcripts import cut
from instances.objects import Status
from instances.services.changes import Change

#: More at once are told in one notification: a backend that fails changes hundreds in a moment, and
#: a socket that is sent hundreds of frames counts as one that has fallen behind.
MOST_AT_ONCE = 10


def tell_of_changes(changes: Sequence[Change]) -> None:
    """What one transaction changed."""
    if len(changes) <= MOST_AT_ONCE:
        for change in changes:
            words = f"{_step(change)}: {change.detail}" if change.detail else _step(change)
            _tell(f"Instance {change.name or change.instance_id}", words, _is_good(change))
        return
    counted = Counter(map(_step, changes)).most_common()
    words = ", ".join(f"{count} × {step}" for step, count in counted)
    _tell(f"{len(changes)} instances", words, all(map(_is_good, changes)))


def tell_of_giving_up(name: str, why: str) -> None:
    _tell(f"Instance {name}", why, False)


def _tell(subject: str, words: str, success: bool) -> None:
    announce(
        Notification(
            owner="",
            job_name=subject,
            session_id="",
            result_preview=cut(words, PREVIEW_BYTES),
            success=success,
            capability=capabilities.INSTANCES_READ,
        )
    )


def _step(change: Change) -> str:
    return f"{change.previous or 'new'} → {change.status}"


def _is_good(change: Change) -> bool:
    return change.status is not Status.ERROR
