"""`instance ssh`: a shell on an instance, by the ssh program of this machine."""

import argparse
import resource

from accounts.management.actor import command_line_actor
from instances.errors import InstancesError
from instances.management.asking import Failed, add_id, ask_about, failure
from instances.management.lines import info
from instances.services import fleet
from instances.ssh import check_access, run_ssh
from project.lib.terminal import Terminal

_ATTEMPT = "open SSH to instance"

add_arguments = add_id


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    _forbid_core_dumps()
    actor = command_line_actor()
    instance_id, access = ask_about(
        _ATTEMPT, options.id, lambda instance_id: fleet.ssh_access(instance_id, actor=actor)
    )
    try:
        check_access(access)
    except InstancesError as error:
        raise failure(f"{_ATTEMPT} {instance_id}", error) from error
    info(terminal, f"Connecting to {access.user}@{access.host}:{access.port}...")
    terminal.flush()
    try:
        return run_ssh(access)
    except FileNotFoundError as error:
        raise Failed("Failed to start ssh: there is no such program on PATH") from error
    except PermissionError as error:
        raise Failed(f"Failed to start ssh: {error.strerror}") from error


def _forbid_core_dumps() -> None:
    """This process and ssh hold the key in memory; a dump would put it on the disk."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
