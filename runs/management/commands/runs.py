"""`manage.py runs …`."""

from accounts.management.subcommands import CommandWithSubcommands
from runs.errors import RunsError

SUBCOMMANDS = {
    "list": "the newest runs",
    "show": "the readable transcript of one run",
    "follow": "one run as it happens, until it ends",
    "validate": "check hash chain and Merkle root of one run or of all",
    "export": "the log of one run as NDJSON",
    "prune": "delete old runs, with their logs",
    "replay": "execute a recorded run again and compare",
    "fork": "start a run that goes on from a step of another one",
    "cancel": "end a run that has not ended",
    "rebuild": "recompute the columns of runs from their logs",
    "redact": "take the payload of one event out of a log, on record",
}


class Command(CommandWithSubcommands):
    help = "Look at runs and their logs, prove them, and clean up after them."
    name = "runs"
    package = "runs.management.subcommands"
    subcommands = SUBCOMMANDS
    refusals = (RunsError,)
