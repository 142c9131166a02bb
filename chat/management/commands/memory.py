"""`manage.py memory …`."""

from accounts.management.subcommands import CommandWithSubcommands
from chat.errors import ChatError
from runs.management.preflight import require_database

SUBCOMMANDS = {
    "search": "what a user would find",
    "reindex": "cut and index all documents anew",
    "import": "make documents of the Markdown files of a folder",
    "export": "write the documents into a folder",
}


class Command(CommandWithSubcommands):
    help = "Search the assistant's memory, index it anew, take it out and put it in."
    name = "memory"
    package = "chat.management.memory"
    subcommands = SUBCOMMANDS
    refusals = (ChatError,)

    def prepare(self) -> None:
        super().prepare()
        require_database()

    def module_of(self, name: str) -> str:
        return "importing" if name == "import" else name  # a word that Python keeps to itself
