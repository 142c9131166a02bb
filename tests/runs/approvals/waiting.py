"""Runs that wait for a human, whatever they ask."""

from typing import Any

from accounts.models import AuditRecord
from runs.event_types import InputRequested
from runs.log.read import walk_events
from runs.models import Run
from tests.runs.inspector.logs import plain_turn, write_run

FINANCE = "finance:approve"


def ask(
    prompt: str = "Ship it?", *, graph_id: str = "agent", creator: Any = None, **asked: Any
) -> Run:
    """A run whose log ends with this question."""
    events = [*plain_turn("I have drafted it."), InputRequested(prompt, **asked)]
    actor = creator.pk if creator else ""
    return write_run(events, end="", graph_id=graph_id, creator=creator, actor=actor)


def answers(run: Run) -> list[dict[str, Any]]:
    """What was recorded as answers to the run."""
    events = walk_events(run.id)
    return [event.data for event in events if event.kind_name == "InputReceived"]


def facts(kind: str, run: Run) -> list[dict[str, Any]]:
    """What the audit trail says of the run."""
    records = AuditRecord.objects.filter(fact_kind=kind, run_id=run.id).order_by("seq")
    return [record.event["fact"] for record in records]
