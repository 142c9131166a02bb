"""`manage.py audit list|verify`."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.db.models import QuerySet
from rich.progress import Progress

from accounts.audit import verify
from accounts.audit.reading import AuditFilter, matching
from accounts.audit.records import timestamp_of
from accounts.management.output import note, print_table
from accounts.models import AuditHead, AuditRecord
from project import data_folder


class Command(BaseCommand):
    help = "Read the audit trail, and check that nobody changed it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="list records, newest first")
        listing.add_argument("--kind", help="only this kind, such as auth_failed")
        listing.add_argument("--actor", help="only what this actor did")
        listing.add_argument("--run", help="only what concerns this run")
        for name, meaning in (("--since", "at or after"), ("--until", "before")):
            listing.add_argument(name, metavar="TIME", help=f"only {meaning} this RFC 3339 time")
        listing.add_argument("--limit", type=int, default=50, help="how many (default: 50)")
        listing.add_argument("--offset", type=int, default=0, help="how many to skip (default: 0)")
        listing.add_argument("--json", action="store_true", help="whole records, one a line")
        verbs.add_parser("verify", help="check the hash chain; exits 1 if it is broken")

    def handle(self, *args: Any, **options: Any) -> None:
        data_folder.require()
        try:
            if options["verb"] == "verify":
                self._verify()
            else:
                self._list(options)
        except DatabaseError as error:
            raise CommandError(f"the database does not answer as expected: {error}") from error

    def _list(self, options: dict[str, Any]) -> None:
        if options["limit"] < 1:
            raise CommandError("argument --limit: must be at least 1")
        if options["offset"] < 0:
            raise CommandError("argument --offset: must not be negative")
        first = options["offset"]
        records = matching(_filter(options))[first : first + options["limit"]]
        if options["json"]:
            for record in records:
                self.stdout.write(record.record)
            return
        columns = ("seq", "time (UTC)", "kind", "actor", "fact")
        print_table(self.stdout, columns, _rows(records), empty="There are no such records.")

    def _verify(self) -> None:
        head = AuditHead.objects.filter(pk=1).first()
        with Progress(transient=True, disable=not self.stdout.isatty()) as progress:
            task = progress.add_task("checking", total=head.seq if head else 0)
            verdict = verify(lambda checked: progress.update(task, completed=checked))
        if not verdict.is_intact:
            raise CommandError(f"BROKEN at record {verdict.seq}: {verdict.reason}")
        self.stdout.write(f"OK: {verdict.checked} records, chain intact")
        if not verdict.checked:
            note("nothing has been recorded yet")


def _filter(options: dict[str, Any]) -> AuditFilter:
    since, until = _moment(options, "since"), _moment(options, "until")
    return AuditFilter(options["kind"], options["actor"], options["run"], since, until)


def _moment(options: dict[str, Any], name: str) -> datetime | None:
    """RFC 3339 or a date; without a zone it is UTC."""
    text = options[name]
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        complaint = f"argument --{name}: {text!r} is no time such as 2026-01-31T12:00:00Z"
        raise CommandError(complaint) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rows(records: QuerySet[AuditRecord]) -> Iterator[tuple[str, ...]]:
    for record in records:
        fact = record.event["fact"]
        rest = {name: value for name, value in fact.items() if name not in ("kind", "actor")}
        yield (
            str(record.seq),
            timestamp_of(record.ts),
            record.fact_kind,
            record.actor,
            json.dumps(rest),
        )
