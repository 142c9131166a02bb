"""Celery's side of dispatch: a task carries a run's id to a worker, nothing else."""

from celery import shared_task

from runs.engine.background import background_engine
from runs.services.queue import sweep_expired, wake_due_runs
from runs.services.redelivery import redeliver_pending
from runs.services.retention import forget_old_records
from runs.triggers.firing import fire_due


@shared_task(ignore_result=True)
def execute_run(run_id: str) -> None:
    """At least once: a second delivery finds the run claimed, or ended, and returns."""
    background_engine().execute_by_id(run_id)


@shared_task(ignore_result=True)
def sweep() -> None:
    """Queue runs whose worker went silent, and those whose task got lost. Any number may run."""
    sweep_expired()
    wake_due_runs()
    redeliver_pending()


@shared_task(ignore_result=True)
def forget() -> None:
    """Delete records that have served their time. Any number may run."""
    forget_old_records()


@shared_task(ignore_result=True)
def fire_due_triggers() -> None:
    """Start the runs of cron triggers whose time has come. Any number may run."""
    fire_due()
