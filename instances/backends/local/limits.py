"""How long parts of a command may take, from what the settings give an instance to drain."""

from django.conf import settings

KILL_SECONDS = 5.0  # for the kernel to end what was sent SIGKILL
FREE_SECONDS = 2.0  # until a port can be had again
SHOW_SECONDS = 5.0  # until a new process has its command line


def grace_seconds() -> float:
    """How long one may take to end after SIGTERM: to drain, and to stop what is around that."""
    return float(settings.STARPORT_DRAIN_SECONDS) + 8.0


def command_seconds() -> float:
    """Longer than any command holds an instance: one that hangs is ended and begun anew."""
    return grace_seconds() + KILL_SECONDS + FREE_SECONDS + SHOW_SECONDS


def patience_seconds() -> float:
    """For a command that has to wait until another one on the instance is through."""
    return 2 * command_seconds()
