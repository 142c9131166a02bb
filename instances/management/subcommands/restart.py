"""`instance restart`: continue a paused instance, or begin a running one anew."""

import argparse

from instances.management.asking import add_id
from instances.management.changing import change
from instances.services.fleet import restart_instance
from project.lib.terminal import Terminal

add_arguments = add_id


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    return change("restart", options.id, restart_instance, terminal)
