"""Finding what happened, in the logs and rows that say so."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import takewhile

from chat.webhooks import news
from chat.webhooks.news import News
from instances.models import Instance, StatusChange
from runs.event_types import InputReceived, InputRequested
from runs.log.events import StoredEvent
from runs.log.read import read_events, read_kinds
from runs.models import Run

_OPEN = (
    Run.Status.PENDING,
    Run.Status.RUNNING,
    Run.Status.PAUSED,
    Run.Status.AWAITING_INPUT,
)


def ended_since(since_ns: int) -> list[tuple[str, int]]:
    """Ids and ends of runs that ended after then, the oldest first."""
    ended = Run.objects.filter(finished_ns__isnull=False, finished_ns__gt=since_ns)
    ended = ended.order_by("finished_ns")
    return [(run_id, at) for run_id, at in ended.values_list("id", "finished_ns") if at is not None]


def moved_since(since_ns: int) -> list[tuple[str, int]]:
    """Ids and heads of runs whose log may have grown after then."""
    columns = ("id", "head_seq")
    going_on = Run.objects.filter(status__in=_OPEN, last_event_ns__gt=since_ns)
    ended = Run.objects.filter(finished_ns__isnull=False, finished_ns__gt=since_ns)
    return [*going_on.values_list(*columns), *ended.values_list(*columns)]


def news_of_ends(run_ids: Collection[str]) -> list[News]:
    ended = Run.objects.filter(pk__in=run_ids, finished_ns__isnull=False)
    return [news.of_ended_run(run) for run in ended.order_by("finished_ns")]


def news_of_approvals(run_ids: Collection[str], since_ns: int) -> list[News]:
    """Every question of these runs and every answer to one that is younger than that."""
    runs = Run.objects.in_bulk(list(run_ids))
    events = read_kinds(run_ids, (InputRequested.kind, InputReceived.kind))
    questions = {(event.run_id, event.seq) for event in events if _asks(event)}
    return [
        _news_of(runs[event.run_id], event)
        for event in events
        if event.ts > since_ns
        and event.run_id in runs
        # An answer without its question before it is one that a fork took over.
        and (_asks(event) or (event.run_id, event.seq - 1) in questions)
    ]


def news_of_event(run_id: str, seq: int) -> list[News]:
    """The question or answer that a log has there."""
    run = Run.objects.filter(pk=run_id).first()
    events = read_events(run_id, after=seq - 1, limit=1)
    if run is None or not events:
        return []
    return [_news_of(run, events[0])]


def news_of_instances(since_ns: int) -> list[News]:
    """Changes after then, the oldest first. There is no index by time; the newest come first."""
    since = datetime.fromtimestamp(since_ns / 1e9, UTC)
    newest: Iterator[StatusChange] = (
        StatusChange.objects.select_related("instance").order_by("-pk").iterator(chunk_size=100)
    )
    return [news.of_status_change(change) for change in takewhile(lambda c: c.at >= since, newest)][
        ::-1
    ]


def news_of_changes(wanted: Collection[tuple[str, datetime]]) -> list[News]:
    """Those of these instances at these times."""
    ids, moments = {instance_id for instance_id, _ in wanted}, {at for _, at in wanted}
    found = StatusChange.objects.filter(instance_id__in=ids, at__in=moments).order_by("pk")
    return [news.of_status_change(change) for change in found.select_related("instance")]


def news_of_giving_up(since_ns: int) -> list[News]:
    """Instances that were given up after then and still are; there are few."""
    since = datetime.fromtimestamp(since_ns / 1e9, UTC)
    given_up = Instance.objects.filter(given_up_at__gte=since).order_by("given_up_at")
    return [news.of_giving_up(row) for row in given_up]


def news_of_one_given_up(instance_id: str) -> list[News]:
    given_up = Instance.objects.filter(pk=instance_id, given_up_at__isnull=False)
    return [news.of_giving_up(row) for row in given_up]


def _asks(event: StoredEvent) -> bool:
    return event.kind == InputRequested.kind


def _news_of(run: Run, event: StoredEvent) -> News:
    return news.of_question(run, event) if _asks(event) else news.of_answer(run, event)
