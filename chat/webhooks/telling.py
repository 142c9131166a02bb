"""From what happened to the outbox: at once where a signal came, and by a sweep in any case.

The sweep looks at what is durable since its mark, so a signal that got lost with its process, or
came before its endpoint was known there, costs a few seconds and nothing else.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.conf import settings

from chat.models import WebhookEndpoint, WebhookMark
from chat.webhooks import event_types, finding, outbox
from chat.webhooks.event_types import matches
from project.lib.db import write_transaction

#: A fact becomes visible with its commit, a moment after the time that it carries; clocks differ.
OVERLAP = timedelta(seconds=60)
BATCH = 200
MARK = "sweep"

_ENDS = (event_types.RUN_COMPLETED, event_types.RUN_FAILED, event_types.RUN_CANCELLED)
_APPROVALS = (event_types.APPROVAL_REQUESTED, event_types.APPROVAL_ANSWERED)


class Change(Protocol):
    """What has to be known of a change of status to find it."""

    @property
    def instance_id(self) -> str: ...

    @property
    def at(self) -> datetime: ...


def runs_have_ended(run_ids: Collection[str]) -> None:
    if outbox.is_wanted(*_ENDS):
        outbox.publish(finding.news_of_ends(run_ids))


def run_has_asked_or_was_answered(run_id: str, seq: int) -> None:
    if outbox.is_wanted(*_APPROVALS):
        outbox.publish(finding.news_of_event(run_id, seq))


def instances_have_changed(changes: Sequence[Change]) -> None:
    if outbox.is_wanted(event_types.INSTANCE_STATUS_CHANGED):
        outbox.publish(finding.news_of_changes([(each.instance_id, each.at) for each in changes]))


def instance_is_given_up(instance_id: str) -> None:
    if outbox.is_wanted(event_types.INSTANCE_GIVEN_UP):
        outbox.publish(finding.news_of_one_given_up(instance_id))


@dataclass(slots=True)
class Sweep:
    """One process's looks. It remembers what it has looked at within the overlap of two."""

    _ends: dict[str, int] = field(default_factory=dict)  # run: when it ended
    _heads: dict[str, int] = field(default_factory=dict)  # run: how far its log was read

    def look(self) -> int:
        """Put everything into the outbox that is not there; how many messages it made.

        Safe to run anywhere, any number of times at once.
        """
        endpoints = outbox.listening()
        if not endpoints:
            return 0
        began = datetime.now(UTC)
        since_ns = int(_since(endpoints, began).timestamp() * 1e9)
        made = self._ended(endpoints, since_ns) + self._approvals(endpoints, since_ns)
        if _any_wants(endpoints, event_types.INSTANCE_STATUS_CHANGED):
            made += outbox.publish(finding.news_of_instances(since_ns))
        if _any_wants(endpoints, event_types.INSTANCE_GIVEN_UP):
            made += outbox.publish(finding.news_of_giving_up(since_ns))
        with write_transaction():
            WebhookMark.objects.update_or_create(name=MARK, defaults={"at": began})
        return made

    def _ended(self, endpoints: list[WebhookEndpoint], since_ns: int) -> int:
        if not _any_wants(endpoints, *_ENDS):
            return 0
        ended = dict(finding.ended_since(since_ns))
        fresh = [run_id for run_id in ended if run_id not in self._ends]
        made = sum(outbox.publish(finding.news_of_ends(batch)) for batch in _batches(fresh))
        self._ends = ended
        return made

    def _approvals(self, endpoints: list[WebhookEndpoint], since_ns: int) -> int:
        if not _any_wants(endpoints, *_APPROVALS):
            return 0
        moved = dict(finding.moved_since(since_ns))
        fresh = [run_id for run_id, head in moved.items() if self._heads.get(run_id) != head]
        made = sum(
            outbox.publish(finding.news_of_approvals(batch, since_ns)) for batch in _batches(fresh)
        )
        self._heads = moved
        return made


def _since(endpoints: list[WebhookEndpoint], now: datetime) -> datetime:
    """What is older was looked at, is nobody's business, or has been forgotten as a message."""
    since = max(
        min(endpoint.active_since for endpoint in endpoints),
        now - timedelta(days=settings.STARPORT_WEBHOOK_DAYS),
    )
    mark = WebhookMark.objects.filter(pk=MARK).first()
    return since if mark is None else max(since, mark.at - OVERLAP)


def _any_wants(endpoints: list[WebhookEndpoint], *names: str) -> bool:
    return any(matches(endpoint.events, name) for endpoint in endpoints for name in names)


def _batches(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
