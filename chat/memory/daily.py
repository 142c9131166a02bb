"""The log of a day: what happened, a time and a text per entry, in `memory/<date>.md`."""

from blake3 import blake3

from chat.memory.days import local_time
from chat.memory.documents import append_to_document
from chat.models import DailyEntry
from project.lib.db import write_transaction

_KEY_CHARS = 200  # what the column holds


def append_daily(
    owner: str, text: str, *, actor: str, at_ns: int | None = None, run_id: str = "", key: str = ""
) -> str:
    """Add an entry to the day's log of `owner`; the name of the document.

    With a `key` that an entry came with before, nothing is added. Raises `OutOfRange` for what
    would make the document too long.
    """
    at = local_time(at_ns)
    name = f"memory/{at:%Y-%m-%d}.md"
    with write_transaction():
        if key:
            entry, is_new = DailyEntry.objects.get_or_create(
                key=_fitting(key), defaults={"name": name, "run_id": run_id or None}
            )
            if not is_new:
                return entry.name
        append_to_document(
            owner,
            name,
            f"\n## {at:%H:%M:%S}\n{text}\n",
            heading=f"# Daily Log — {at:%Y-%m-%d}\n",
            actor=actor,
            run_id=run_id,
        )
    return name


def _fitting(key: str) -> str:
    return key if len(key) <= _KEY_CHARS else blake3(key.encode()).hexdigest()
