"""`instance create`: one more instance."""

import argparse

import orjson

from accounts.management.actor import command_line_actor
from instances.management.asking import ask
from instances.management.lines import details, done
from instances.objects import instance_map
from instances.services import fleet
from project.lib.terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", "-n", help="for people; the backend gives it its id")
    parser.add_argument("--region", "-r", help="where it runs; the backend knows which there are")
    parser.add_argument("--json", action="store_true", help="the instance as a JSON object")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    report = ask(
        "create instance",
        fleet.create_instance(name=options.name, region=options.region, actor=command_line_actor()),
    )
    if options.json:
        terminal.json(orjson.dumps(instance_map(report)))
        return 0
    done(terminal, f"Created instance {report.id}")
    facts = {"Name": report.name, "Status": report.status.value, "Region": report.region}
    details(terminal, {name: value for name, value in facts.items() if value})
    return 0
