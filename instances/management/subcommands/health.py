"""`instance health`: how an instance fares, asked now."""

import argparse
from dataclasses import asdict

import orjson

from instances.management.asking import add_id, ask_about
from instances.management.instance_facts import moment
from instances.management.lines import details, info
from instances.services import fleet
from project.lib.terminal import Terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_id(parser)
    parser.add_argument("--json", action="store_true", help="a JSON object")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    instance_id, health = ask_about("get the health of instance", options.id, fleet.instance_health)
    if options.json:
        terminal.json(orjson.dumps(asdict(health)))
        return 0
    info(terminal, f"Health of instance {instance_id}")
    facts = {
        "CPU": f"{health.cpu_percent:.1f}%",
        "Memory": f"{health.memory_mb} MB",
        "Disk": f"{health.disk_mb} MB",
        "Uptime": f"{health.uptime_secs} s",
        "Heartbeat": moment(health.last_heartbeat),
    }
    details(terminal, facts)
    return 0
