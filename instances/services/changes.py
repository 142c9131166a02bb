"""A change of status: saved, recorded, audited and told, all or nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db import transaction

from accounts import audit
from instances import metrics
from instances.models import Instance, StatusChange
from instances.objects import Health, Status
from instances.signals import changes_recorded, instance_changed, send
from project.lib.db import write_transaction

Cause = StatusChange.Cause

MONITOR = "instances.monitor"  # who is recorded as having done what nobody asked for


@dataclass(frozen=True, slots=True)
class Change:
    """One change of status, as receivers get it."""

    instance_id: str
    name: str  # "" for one without
    previous: Status | None  # none before
    status: Status
    cause: StatusChange.Cause
    detail: str
    at: datetime
    health: Health | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status an instance ought to have, and why."""

    status: Status
    cause: StatusChange.Cause
    why: str = ""
    actor: str = ""


@dataclass(slots=True)
class Changes:
    """What one transaction changes."""

    now: datetime
    made: list[Change] = field(default_factory=list)
    _facts: list[audit.Fact] = field(default_factory=list)

    def settle(self, row: Instance, verdict: Verdict) -> None:
        """Save the row, and record the change if there is one."""
        previous = Status(row.status) if row.status else None
        row.why = verdict.why
        if previous is verdict.status:
            row.save()
            return
        row.status = verdict.status.value
        row.status_since = self.now
        row.save()
        self._record(row, previous, verdict)

    def _record(self, row: Instance, previous: Status | None, verdict: Verdict) -> None:
        StatusChange.objects.create(
            instance=row,
            at=self.now,
            previous=previous.value if previous else "",
            status=verdict.status.value,
            cause=verdict.cause,
            detail=verdict.why,
            actor=verdict.actor,
        )
        self.made.append(
            Change(
                instance_id=row.id,
                name=row.name,
                previous=previous,
                status=verdict.status,
                cause=verdict.cause,
                detail=verdict.why,
                at=self.now,
                health=row.health,
            )
        )
        self.note(
            "instance_status_changed",
            actor=verdict.actor or None,
            instance_id=row.id,
            previous=previous.value if previous else None,
            status=verdict.status.value,
            cause=verdict.cause.value,
            detail=verdict.why,
        )

    def note(self, kind: str, *, actor: str | None, **details: object) -> None:
        """For the audit trail, which gets it with the rows or not at all."""
        fact = audit.fact(kind, actor=actor, pack_id=audit.RUNTIME, **details)
        self._facts.append(fact)

    def put_on_record(self) -> None:
        """Everybody waits for the audit trail's lock: once for all, and shortly."""
        audit.record_together(self._facts)


@contextmanager
def changing(now: datetime) -> Iterator[Changes]:
    """A transaction. What it changed is told when it is committed."""
    with write_transaction():
        changes = Changes(now)
        yield changes
        if changes.made:
            transaction.on_commit(partial(_tell, tuple(changes.made)))
        changes.put_on_record()


def _tell(changes: Sequence[Change]) -> None:
    for change in changes:
        metrics.status_changed(change.status.value, change.cause.value)
        send(instance_changed, change=change)
    send(changes_recorded, changes=changes)
