"""News to act on. A receiver may be called on an event loop: it hands over and returns."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from django.db import close_old_connections, transaction
from django.dispatch import receiver

from chat.costs import recording
from chat.cron import lifecycle, settling
from chat.cron.clock import clock
from chat.instance_news import tell_of_changes, tell_of_giving_up
from chat.models import Exchange
from chat.services import turns
from chat.signals import document_written, settings_changed
from chat.webhooks import telling
from instances.services.changes import Change
from instances.signals import changes_recorded, instance_given_up
from runs.signals import run_answered, run_finished, run_waiting

logger = logging.getLogger(__name__)

# One thread: what it does takes turns for the database's write lock in any case.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-news")
_ended: SimpleQueue[str] = SimpleQueue()
MOST_AT_ONCE = 500  # runs in one query


@receiver(run_finished, dispatch_uid="chat.run_has_ended")
def run_has_ended(run_id: str, **_: object) -> None:
    """Best effort: what gets lost here, the sweeps (`chat.services.turns.sweep`,
    `chat.costs.recording.sweep`), the tick of cron jobs and the next start make good."""
    _ended.put(run_id)
    _thread.submit(_tell_of_ended)
    recording.run_has_ended()


@receiver((run_waiting, run_answered), dispatch_uid="chat.approval_news")
def approval_news(run_id: str, seq: int, **_: object) -> None:
    """Best effort, as above: `chat.webhooks.telling.Sweep` finds what gets lost."""
    _thread.submit(_announce, telling.run_has_asked_or_was_answered, run_id, seq)


@receiver(settings_changed, dispatch_uid="chat.cron_settings_changed")
def cron_follows(group: str, **_: object) -> None:
    """The next tick reckons anew; without this it comes within a second all the same."""
    if group in ("cron", "general"):
        transaction.on_commit(clock.wake)


@receiver(document_written, dispatch_uid="chat.cron_document_written")
def heartbeat_follows(name: str, **_: object) -> None:
    if name == "HEARTBEAT.md":
        transaction.on_commit(clock.wake)


@receiver(changes_recorded, dispatch_uid="chat.instances_have_changed")
def instances_have_changed(changes: Sequence[Change], **_: object) -> None:
    tell_of_changes(changes)
    _thread.submit(_announce, telling.instances_have_changed, changes)


@receiver(instance_given_up, dispatch_uid="chat.instance_is_given_up")
def instance_is_given_up(instance_id: str, name: str, why: str, **_: object) -> None:
    tell_of_giving_up(name or instance_id, why)
    _thread.submit(_announce, telling.instance_is_given_up, instance_id)


def _tell_of_ended() -> None:
    """Most runs are nobody's message. One query finds those that are among all that just ended:
    asked for each alone, it took a quarter of the time of a burst of runs."""
    run_ids = _taken()
    if not run_ids:
        return  # an earlier call had them
    close_old_connections()
    try:
        answers = Exchange.objects.filter(run_id__in=run_ids).values_list("run_id", flat=True)
        ours = list(answers.distinct())
    except Exception:
        logger.exception("runs that ended could not be looked up", extra={"runs": len(run_ids)})
        return
    for run_id in ours:
        _told(run_id)
    _announce(telling.runs_have_ended, run_ids)


def _announce(put: Callable[..., None], *facts: object) -> None:
    close_old_connections()
    try:
        put(*facts)
    except Exception:
        logger.exception("webhooks could not be told yet")


def _taken() -> Collection[str]:
    run_ids: set[str] = set()
    try:
        while len(run_ids) < MOST_AT_ONCE:
            run_ids.add(_ended.get_nowait())
    except Empty:
        pass
    return run_ids


def _told(run_id: str) -> None:
    try:
        turns.run_has_changed(run_id)
        settling.run_has_ended(run_id, int(time.time()))
        lifecycle.run_has_ended(run_id)
    except Exception:
        logger.exception("a session could not go on after its run", extra={"run_id": run_id})
