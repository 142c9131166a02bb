"""`manage.py instance …`: whoever may use the data folder may do anything with its instances."""

from collections.abc import Sequence

from accounts.management.preflight import require_database
from accounts.management.subcommands import CommandWithSubcommands
from instances.backends import is_configured
from instances.errors import NotConfigured
from instances.management.asking import Failed
from instances.management.lines import complain
from project.lib.command_line import EXIT_ERROR
from project.lib.terminal import Terminal

SUBCOMMANDS = {
    "create": "create an instance",
    "list": "all instances of the backend",
    "kill": "end an instance for good",
    "pause": "suspend an instance; its data stay",
    "restart": "continue a paused instance, or begin a running one anew",
    "logs": "what an instance logged, and with --follow what it logs",
    "ssh": "a shell on an instance",
    "health": "how an instance fares",
}
NOT_CONFIGURED = "Instance backend not configured."
HINT = (
    "Set STARPOD_INSTANCE_BACKEND_URL to the address of a backend,"
    " or STARPORT_INSTANCE_BACKEND=local to run instances on this machine."
)


class Command(CommandWithSubcommands):
    help = "Create remote instances, look after them, and end them."
    name = "instance"
    package = "instances.management.subcommands"
    subcommands = SUBCOMMANDS
    refusals = ()

    def prepare(self) -> None:
        if not is_configured():
            raise NotConfigured
        super().prepare()
        require_database()

    def dispatch(self, arguments: Sequence[str], terminal: Terminal) -> int:
        """The contract has the texts of refusals; they do not begin with the command's name."""
        try:
            return super().dispatch(arguments, terminal)
        except NotConfigured:
            complain(terminal, NOT_CONFIGURED)
            complain(terminal, HINT, is_detail=True)
        except Failed as error:
            complain(terminal, str(error))
        return EXIT_ERROR
