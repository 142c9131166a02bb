"""What `kill`, `pause` and `restart` have in common."""

from collections.abc import Coroutine
from typing import Any, Protocol

from accounts.management.actor import command_line_actor
from instances.management.asking import ask_about
from instances.management.lines import done
from project.lib.terminal import Terminal


class Operation(Protocol):
    def __call__(self, instance_id: str, /, *, actor: str) -> Coroutine[Any, Any, None]: ...


def change(verb: str, beginning: str, operation: Operation, terminal: Terminal) -> int:
    """Do it to the instance whose id begins like that. Returns the exit code."""
    actor = command_line_actor()
    instance_id, _ = ask_about(
        f"{verb} instance", beginning, lambda instance_id: operation(instance_id, actor=actor)
    )
    past = f"{verb}d" if verb.endswith("e") else f"{verb}ed"
    done(terminal, f"{past.capitalize()} instance {instance_id}.")
    return 0
