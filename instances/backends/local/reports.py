"""What is told of an instance, from its record and from whether it lives."""

import time

from instances.backends.local.homes import Record
from instances.objects import Report, Status

#: How long a new instance may take until it answers: it migrates a database of its own.
START_SECONDS = 120


def report_of(record: Record, *, is_alive: bool) -> Report:
    status, why = _status_of(record, is_alive=is_alive)
    return Report(
        id=record.id,
        status=status,
        created_at=record.created_at,
        updated_at=record.updated_at,
        name=record.name,
        region=record.region,
        web_url=f"http://127.0.0.1:{record.port}",
        error=why,
    )


def _status_of(record: Record, *, is_alive: bool) -> tuple[Status, str]:
    """The status, and why if it is an error.

    One that has died is `running` all the same, with a heartbeat that grows old: whether that is
    too old, and what then, is the monitor's decision.
    """
    is_halted = record.is_halted and not is_alive
    if is_halted and record.trouble:
        return Status.ERROR, f"it could not be started again: {record.trouble}"
    if is_halted or record.wanted == "paused":
        return Status.PAUSED, ""
    if record.has_answered:
        return Status.RUNNING, ""
    if record.process is not None and not is_alive:
        return Status.ERROR, "it ended before it answered for the first time; its log says more"
    if time.time() - (record.started_at or record.created_at) > START_SECONDS:
        return Status.ERROR, "it has not answered yet; its log says more"
    return Status.CREATING, ""
