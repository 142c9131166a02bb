"""`instance list`: all instances, in the backend's order."""

import argparse

import orjson

from instances.management.asking import ask
from instances.management.instance_facts import STATUS_STYLES, moment
from instances.management.lines import info
from instances.objects import Report, instance_map
from instances.services import fleet
from instances.services.lookup import short_ids
from project.lib.terminal import Cell, Column, Terminal

_COLUMNS = (
    Column("instance"),
    Column("status"),
    Column("region"),
    Column("created (UTC)"),
    Column("name", flexible=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    reports = ask("list instances", fleet.list_instances())
    if options.json:
        for report in reports:
            terminal.json(orjson.dumps(instance_map(report)))
    elif not reports:
        info(terminal, "No instances found.")
    elif terminal.is_rich:
        terminal.table(_COLUMNS, [_row(report) for report in reports])
    else:
        ids = short_ids([report.id for report in reports])
        for report, short_id in zip(reports, ids, strict=True):
            info(terminal, _line(report, short_id))
    return 0


def _line(report: Report, short_id: str) -> str:
    name = report.name or "(unnamed)"
    return f"{short_id} [{report.status.value}] {name} region={report.region or '-'}"


def _row(report: Report) -> list[Cell]:
    return [
        Cell(report.id),
        Cell(report.status.value, STATUS_STYLES[report.status]),
        Cell(report.region or "-"),
        Cell(moment(report.created_at)[:16].replace("T", " ")),
        Cell(report.name) if report.name else Cell("(unnamed)", "dim"),
    ]
