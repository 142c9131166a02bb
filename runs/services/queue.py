"""The queue is the `Run` table: claiming pending runs, keeping leases, giving them back.

A lease is a token in the row. Every engine append names it, so a worker that lost its lease can
write nothing more, whatever it still believes.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from project.lib.clock import now_ns
from project.lib.db import write_transaction
from project.lib.ids import new_ulid
from project.lib.sql import fetch_all, fetch_one
from runs import dispatch
from runs.models import MailboxItem, Run
from runs.services.queue_room import room_to_spare

_RUNS = Run._meta.db_table
#: What no timer brings further.
_AWAKE = (Run.Status.PENDING, Run.Status.PAUSED, *Run.TERMINAL)
#: Runs that one pass of the clock queues at the most.
WAKE_BATCH = 500


def lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.STARPORT_LEASE_SECONDS)


def claim_runs(*, owner: str, limit: int) -> list[Run]:
    """Lease up to `limit` pending runs, oldest first within priority; one worker gets each."""
    if limit <= 0 or not _is_anything_pending():
        return []  # asking costs no write lock
    with write_transaction():
        claimed = fetch_all(_claim(), [new_ulid(), owner, _stored(lease_end()), limit])
    runs = _loaded(claimed)
    runs.sort(key=lambda run: (-run.priority, run.accepted_at, run.id))
    return runs


def _is_anything_pending() -> bool:
    return fetch_one(f"SELECT 1 FROM {_RUNS} WHERE status = 'pending' LIMIT 1") is not None  # noqa: S608


@cache
def _claim() -> str:
    """Claims and returns whole rows in one statement: every run passes here."""
    # SQLite would rather take an index that starts with the status, and sort all that waits.
    hint = " INDEXED BY run_claimable" if connection.vendor == "sqlite" else ""
    picked = (
        f"SELECT id FROM {_RUNS}{hint} WHERE status = 'pending'"  # noqa: S608
        " ORDER BY priority DESC, accepted_at, id LIMIT %s"
    )
    if connection.vendor == "sqlite":
        among = f"IN ({picked})"
    else:
        # As an array the rows are picked once; a plain IN may be planned so that more get locked.
        among = f"= ANY(ARRAY({picked} FOR UPDATE SKIP LOCKED))"
    return (
        f"UPDATE {_RUNS} SET status = 'running', lease_token = %s, lease_owner = %s,"  # noqa: S608
        f" lease_expires_at = %s WHERE id {among}"
        f" RETURNING {', '.join(str(field.column) for field in Run._meta.concrete_fields)}"
    )


def _loaded(rows: Iterable[Sequence[Any]]) -> list[Run]:
    """Rows of all columns as the ORM would load them."""
    names = [field.attname for field in Run._meta.concrete_fields]
    compiler = Run.objects.all().query.get_compiler(connection=connection)
    compiler.setup_query()
    converters = compiler.get_converters([item[0] for item in compiler.select])
    return [
        Run.from_db(connection.alias, names, values)
        for values in compiler.apply_converters(rows, converters)
    ]


def _stored(moment: datetime) -> Any:
    """As the database keeps times."""
    return connection.ops.adapt_datetimefield_value(moment)


def claim_run(*, run_id: str, owner: str) -> Run | None:
    """Lease one particular run; `None` when it is not pending (any more)."""
    with write_transaction():
        won = Run.objects.filter(pk=run_id, status=Run.Status.PENDING).update(
            status=Run.Status.RUNNING,
            lease_token=new_ulid(),
            lease_owner=owner,
            lease_expires_at=lease_end(),
        )
        return Run.objects.get(pk=run_id) if won else None


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """What a worker needs to know about the runs it believes to hold."""

    lost: frozenset[str]  # taken over, cancelled or otherwise ended
    with_mail: frozenset[str]


def check_leases(held: dict[str, str]) -> LeaseReport:
    """Compare `held` (run id → lease token) with the rows, and look for mail."""
    ids = list(held)
    tokens = dict(Run.objects.filter(pk__in=ids).values_list("id", "lease_token"))
    mail = MailboxItem.objects.filter(run_id__in=ids).values_list("run_id", flat=True)
    lost = frozenset(run_id for run_id in ids if tokens.get(run_id) != held[run_id])
    return LeaseReport(lost, frozenset(mail))


def extend_leases(held: dict[str, str]) -> None:
    """The heartbeat: all leases of a process in one statement."""
    if held:
        with write_transaction():
            Run.objects.filter(pk__in=list(held), lease_token__in=set(held.values())).update(
                lease_expires_at=lease_end()
            )


def give_back(held: dict[str, str]) -> None:
    """Return runs to the queue, for another worker to continue."""
    if held:
        with write_transaction():
            _release(Run.objects.filter(pk__in=list(held), lease_token__in=set(held.values())))


def sweep_expired(*, now: datetime | None = None) -> int:
    """Return runs whose worker went silent to the queue. Safe to run anywhere, any time."""
    expired = Run.objects.filter(
        lease_expires_at__lt=now or timezone.now(), status=Run.Status.RUNNING
    )
    if not expired.exists():
        return 0
    with write_transaction():
        return _release(expired)


def wake_due_runs(*, now: int | None = None) -> int:
    """Queue the runs whose timer or deadline has passed. Safe to run anywhere, any time."""
    if next_wake_ns() is None:
        return 0  # nobody sleeps: at rest the clock asks no more than this
    # A pause that came in while the run was about to fall asleep wakes it, too.
    with_mail = _sleepers().filter(pk__in=MailboxItem.objects.values("run_id"))
    due = _sleepers().filter(wake_ns__lte=now or now_ns())
    ids = [
        *due.order_by("wake_ns").values_list("id", flat=True)[:WAKE_BATCH],
        *with_mail.exclude(status=Run.Status.AWAITING_INPUT).values_list("id", flat=True),
    ]
    if not ids:
        return 0
    with write_transaction():
        count = _release(_sleepers().filter(pk__in=ids))
        for run_id in ids:
            dispatch.run_is_pending(run_id)
    return count


def next_wake_ns() -> int | None:
    """When the next timer or deadline passes, Unix."""
    row = fetch_one(_soonest())
    return None if row is None else row[0]


@cache
def _soonest() -> str:
    awake = ", ".join(f"'{status}'" for status in _AWAKE)
    return (
        f"SELECT wake_ns FROM {_RUNS} WHERE wake_ns IS NOT NULL AND lease_expires_at IS NULL"  # noqa: S608
        f" AND status NOT IN ({awake}) ORDER BY wake_ns LIMIT 1"
    )


def _sleepers() -> QuerySet[Run]:
    """Runs that a timer or a deadline will bring further, by the index `run_wakes`.

    The clock asks twice a second. By status SQLite would read every run that waits, and most wait
    without a deadline; what is excluded cannot mislead it.
    """
    return Run.objects.filter(wake_ns__isnull=False, lease_expires_at__isnull=True).exclude(
        status__in=_AWAKE
    )


def void_leases_of(owner: str) -> int:
    """Return what a dead predecessor of ours held. The caller holds the data folder's lock."""
    held = Run.objects.filter(lease_owner=owner, status=Run.Status.RUNNING)
    if not held.exists():
        return 0
    with write_transaction():
        return _release(held)


def _release(runs: QuerySet[Run]) -> int:
    count: int = runs.update(
        status=Run.Status.PENDING, lease_token="", lease_owner="", lease_expires_at=None
    )
    return count


def queue_depth() -> int:
    """Runs that were accepted and never started."""
    # `RunQuerySet.queued` in the words of an index: `run_newest_by_status` has both columns, so
    # nothing is read but the index. Every start of a run asks this.
    row = fetch_one(
        f"SELECT COUNT(*) FROM {_RUNS} WHERE status = 'pending' AND started_ns IS NULL"  # noqa: S608
    )
    return 0 if row is None else int(row[0])


def is_queue_full(capacity: int) -> bool:
    """Whether `capacity` runs or more wait, so that the caller may not add one.

    Reads no further than that many index entries, and nothing while there is room to spare.
    """
    if room_to_spare.take(capacity):
        return False
    counted = fetch_one(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM {_RUNS} WHERE status = 'pending'"  # noqa: S608
        " AND started_ns IS NULL LIMIT %s) AS waiting",
        [capacity],
    )
    room = capacity - (int(counted[0]) if counted else 0)
    room_to_spare.note(capacity, room - 1)
    return room <= 0


def take_mail(run_id: str) -> Sequence[MailboxItem]:
    """Mail for a run, oldest first. It stays until `discard_mail`."""
    return list(MailboxItem.objects.filter(run_id=run_id).order_by("id"))


def discard_mail(ids: Collection[int]) -> None:
    """Forget mail whose effect is in the log."""
    if ids:
        with write_transaction():
            MailboxItem.objects.filter(pk__in=ids).delete()
