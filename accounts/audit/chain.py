"""The hash chain: the only code that writes or checks audit records."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson
from blake3 import blake3

from accounts.audit.records import Fact, encode, timestamp_of
from accounts.models import AuditHead, AuditRecord
from project.lib import sql
from project.lib.db import write_transaction

GENESIS = bytes(32)  # prev_hash of the first record
VERIFY_BATCH = 2_000  # records read at a time

_COLUMNS = (
    "seq", "ts", "fact_kind", "actor", "run_id", "pack_id", "record", "prev_hash", "hash",
)  # fmt: skip


def append(facts: Sequence[Fact]) -> None:
    """Chain and store facts in the given order, all or none."""
    encoded = [encode(fact) for fact in facts]  # before the lock
    with write_transaction():
        head = lock_head()
        rows = []
        seq, last = head.seq, bytes(head.hash)
        for fact, record in zip(facts, encoded, strict=True):
            seq, digest = seq + 1, link(last, record)
            rows.append(_row(seq, fact, record, last, digest))
            last = digest
        # A third of bulk_create's time, and this runs beside the requests.
        sql.insert(AuditRecord._meta.db_table, _COLUMNS, rows)
        AuditHead.objects.filter(pk=head.pk).update(seq=seq, hash=last)


def lock_head() -> AuditHead:
    """The head of the chain, locked until the caller's transaction ends.

    Every administrative change takes this lock, across processes.
    """
    AuditHead.objects.get_or_create(pk=1, defaults={"hash": GENESIS})
    return AuditHead.objects.select_for_update().get(pk=1)


def link(prev_hash: bytes, record: bytes) -> bytes:
    return blake3(prev_hash + record).digest()


def _row(
    seq: int, fact: Fact, record: bytes, prev_hash: bytes, digest: bytes
) -> tuple[int | str | bytes, ...]:
    actor = (fact.actor or "")[:200]
    return (
        *(seq, fact.ts, fact.kind, actor, fact.run_id, fact.pack_id),
        *(record.decode(), prev_hash, digest),
    )


def is_head_readable() -> bool:
    """Whether the newest record is there and is the one that the head names."""
    head = AuditHead.objects.filter(pk=1).first()
    if head is None or head.seq == 0:
        return True
    record = AuditRecord.objects.filter(seq=head.seq).first()
    return record is not None and bytes(record.hash) == bytes(head.hash)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain found. `reason` and `seq` name the first break, if any."""

    checked: int
    reason: str = ""
    seq: int | None = None

    @property
    def is_intact(self) -> bool:
        return not self.reason


def verify(progress: Callable[[int], None] = lambda checked: None) -> Verdict:
    """Walk the whole chain in batches; `progress` hears how many records are checked so far.

    Records written meanwhile are not looked at: the walk ends at the head it found.
    """
    head = AuditHead.objects.filter(pk=1).first()
    end, end_hash = (head.seq, bytes(head.hash)) if head else (0, GENESIS)
    expected, last = 1, GENESIS
    for record in _records(end):
        if reason := _broken(record, expected, last):
            return Verdict(expected - 1, reason, expected)
        last = bytes(record.hash)
        if expected % VERIFY_BATCH == 0:
            progress(expected)
        expected += 1
    return _ending(expected - 1, last, end, end_hash)


def _ending(checked: int, last: bytes, end: int, end_hash: bytes) -> Verdict:
    if checked != end:
        return Verdict(checked, "records are missing at the end", checked + 1)
    if last != end_hash:
        return Verdict(checked, "the last record is not the one the head names", checked)
    if AuditRecord.objects.filter(seq__lt=1).exists():
        return Verdict(checked, "there is a record before the first", 0)
    return Verdict(checked)


def _records(end: int) -> Iterator[AuditRecord]:
    """In order, a batch at a time by key: no cursor stays open while writers go on."""
    after = 0
    while batch := list(
        AuditRecord.objects.filter(seq__gt=after, seq__lte=end).order_by("seq")[:VERIFY_BATCH]
    ):
        yield from batch
        after = batch[-1].seq


def _broken(record: AuditRecord, expected: int, last: bytes) -> str:
    """Why this record does not continue the chain; empty when it does."""
    if record.seq != expected:
        return "a record is missing"
    if bytes(record.prev_hash) != last:
        return "it does not name its predecessor's hash"
    if link(last, record.record.encode()) != bytes(record.hash):
        return "its content does not match its hash"
    return "" if _columns_agree(record) else "its columns do not say what the record says"


def _columns_agree(record: AuditRecord) -> bool:
    """Lists and filters read the columns, so they must not tell another story than the record."""
    event = orjson.loads(record.record)
    fact = event["fact"]
    return (record.fact_kind, record.actor, record.run_id, record.pack_id) == (
        fact["kind"],
        (fact["actor"] or "")[:200],
        event["run_id"],
        event["pack_id"],
    ) and event["ts"] == timestamp_of(record.ts)
