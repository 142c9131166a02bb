"""Celery's side of chat: clocks that tick in a deployment with workers."""

from celery import shared_task

from chat.costs import recording
from chat.cron.firing import fire_due
from chat.services import turns


@shared_task(ignore_result=True)
def sweep_conversations() -> None:
    """Look after sessions with an open exchange. Any number may run: each locks its session."""
    turns.sweep()


@shared_task(ignore_result=True)
def fire_cron_jobs() -> None:
    """Run the jobs whose time has come, and look after their runs. Any number may run."""
    fire_due()


@shared_task(ignore_result=True)
def record_usage() -> None:
    """Enter runs that ended into the accounts. Any number may run: each run has one row."""
    recording.sweep_recent()
