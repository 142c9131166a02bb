"""`instance kill`: end an instance for good."""

import argparse

from instances.management.asking import add_id
from instances.management.changing import change
from instances.services.fleet import kill_instance
from project.lib.terminal import Terminal

add_arguments = add_id


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    return change("kill", options.id, kill_instance, terminal)
