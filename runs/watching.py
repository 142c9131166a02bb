"""Noticing, without any broker, what other processes did to the runs that are watched here."""

import asyncio
import logging

from project.lib.pool import in_database_thread
from runs.live import NUDGE, Hub
from runs.models import Run

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.5
#: With Redis this is only the net under the news.
INTERVAL_WITH_NEWS_SECONDS = 5.0


#: Time for what this process has just committed to come by the hub; what does not, others wrote.
GRACE_SECONDS = 0.05

Heads = dict[str, tuple[int, str]]  # by run, the seq and the status that its row names


async def watch_rows(hub: Hub, interval_seconds: float = INTERVAL_SECONDS) -> None:
    """Nudge watchers of runs that moved elsewhere. One indexed query per interval; runs for ever.

    A nudge makes every watcher of a run read its log, so what came by the hub is no reason for one.
    """
    seen: Heads = {}
    while True:
        await asyncio.sleep(interval_seconds)
        watched = hub.watched()
        if not watched:
            seen = {}
            continue
        try:
            heads = await in_database_thread(_heads, watched)
        except Exception:
            logger.exception("looking after watched runs failed")
            continue
        if _moved(hub, heads, seen):
            await asyncio.sleep(GRACE_SECONDS)
        for run_id in _moved(hub, heads, seen) | (seen.keys() - heads.keys()):
            hub.publish(run_id, (NUDGE,))
        seen = heads


def _moved(hub: Hub, heads: Heads, seen: Heads) -> set[str]:
    """Runs whose watchers may not know how they stand; those that are new here among them."""
    return {
        run_id
        for run_id, (seq, status) in heads.items()
        if run_id not in seen
        or status != seen[run_id][1]
        or seq > max(seen[run_id][0], hub.published_seq(run_id))
    }


def _heads(run_ids: list[str]) -> Heads:
    rows = Run.objects.filter(pk__in=run_ids).values_list("id", "head_seq", "status")
    return {run_id: (seq, status) for run_id, seq, status in rows}
