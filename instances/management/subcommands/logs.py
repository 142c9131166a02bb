"""`instance logs`: the last entries of an instance's log, and those that come."""

import argparse
import asyncio
from contextlib import aclosing

import orjson

from instances.errors import InstancesError
from instances.logs import as_map
from instances.management.asking import add_id, failure, whole_id
from instances.management.lines import complain, info
from instances.objects import LogEntry
from instances.services import fleet
from project.lib.command_line import count
from project.lib.terminal import Cell, Terminal, one_line

_ATTEMPT = "read the logs of instance"
_STYLES = {"error": "red", "warn": "yellow", "info": "green", "debug": "dim"}
_DAY = 24 * 60 * 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_id(parser)
    parser.add_argument(
        "--tail", "-t", type=count, default=50, metavar="N", help="begin N entries back (50)"
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    instance_id = whole_id(_ATTEMPT, options.id)
    if not options.json:
        info(terminal, f"Logs of instance {instance_id}")
        terminal.flush()
    asyncio.run(_show(instance_id, options, terminal))
    return 0


async def _show(instance_id: str, options: argparse.Namespace, terminal: Terminal) -> None:
    """A log that breaks off has been shown as far as it came; one that never began was refused."""
    has_begun = False
    stream = fleet.instance_logs(instance_id, tail=options.tail, follow=options.follow)
    try:
        async with aclosing(stream) as entries:
            async for entry in entries:
                has_begun = True
                _write(entry, terminal, as_json=options.json)
    except InstancesError as error:
        if not has_begun:
            raise failure(f"{_ATTEMPT} {instance_id}", error) from error
        complain(terminal, f"The log ended: {error}")


def _write(entry: LogEntry, terminal: Terminal, *, as_json: bool) -> None:
    if as_json:
        terminal.json(orjson.dumps(as_map(entry)))
    else:
        level = one_line(entry.level)
        terminal.styled(
            (
                Cell(_time_of_day(entry.timestamp), "dim"),
                Cell(f" [{level}] ", _STYLES.get(level, "")),
                # Its further lines are set in: no message can pass for an entry.
                Cell(entry.message.replace("\n", "\n" + " " * 9)),
            )
        )
    terminal.flush()


def _time_of_day(seconds: int) -> str:
    """UTC; dashes for an entry without a time."""
    if not seconds:
        return "--:--:--"
    minutes, second = divmod(seconds % _DAY, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
