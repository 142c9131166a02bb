"""`instance pause`: suspend an instance."""

import argparse

from instances.management.asking import add_id
from instances.management.changing import change
from instances.services.fleet import pause_instance
from project.lib.terminal import Terminal

add_arguments = add_id


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    return change("pause", options.id, pause_instance, terminal)
