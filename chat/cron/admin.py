"""Cron jobs in the admin: read, run, switched on and off. They are made over HTTP and by tools."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts import capabilities
from accounts.permissions import admit
from chat.cron.definitions import JobChanges
from chat.cron.firing import run_now
from chat.cron.jobs import update_job
from chat.errors import ChatError
from chat.models import CronJob, CronRun
from project.lib.clock import to_rfc3339


class _ReadOnly(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(CronJob)
class CronJobAdmin(_ReadOnly):
    list_display = ("name", "owner_name", "schedule", "enabled", "next_at", "last_at", "last_error")
    list_filter = ("enabled", "session_mode", "overlap")
    search_fields = ("name", "=owner", "=id")
    ordering = ("name", "owner")
    actions = ("run_now", "enable", "disable")
    fields = (
        "name",
        "owner_name",
        "prompt",
        "schedule",
        "enabled",
        "delete_after_run",
        "session_mode",
        "overlap",
        "catches_up",
        "max_retries",
        "timeout_secs",
        "next_at",
        "last_at",
        "retry_count",
        "retry_on",
        "last_error",
        "created_on",
        "created_by",
        "records",
    )
    readonly_fields = fields

    @admin.action(description="Run now", permissions=["view"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[CronJob]) -> None:
        admit(request, capabilities.SETTINGS_MANAGE)
        for job in queryset:
            try:
                record = run_now(job.pk)
            except ChatError as error:
                messages.error(request, f"{job}: {error}.")
            else:
                messages.success(request, f"{job} is {record.status}.")

    @admin.action(description="Enable", permissions=["view"])
    def enable(self, request: HttpRequest, queryset: QuerySet[CronJob]) -> None:
        self._switch(request, queryset, is_on=True)

    @admin.action(description="Disable", permissions=["view"])
    def disable(self, request: HttpRequest, queryset: QuerySet[CronJob]) -> None:
        self._switch(request, queryset, is_on=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[CronJob], *, is_on: bool) -> None:
        admit(request, capabilities.SETTINGS_MANAGE)
        for job in queryset:
            try:
                update_job(job.pk, JobChanges(enabled=is_on))
            except ChatError as error:
                messages.error(request, f"{job}: {error}.")
            else:
                messages.success(request, f"{job} is {'enabled' if is_on else 'disabled'}.")

    @admin.display(description="owner", ordering="owner")
    def owner_name(self, job: CronJob) -> str:
        return job.owner or "the assistant"

    @admin.display(description="next time", ordering="next_run_at")
    def next_at(self, job: CronJob) -> str:
        return _moment(job.next_run_at)

    @admin.display(description="last time", ordering="last_run_at")
    def last_at(self, job: CronJob) -> str:
        return _moment(job.last_run_at)

    @admin.display(description="next retry")
    def retry_on(self, job: CronJob) -> str:
        return _moment(job.retry_at)

    @admin.display(description="made")
    def created_on(self, job: CronJob) -> str:
        return _moment(job.created_at)

    @admin.display(description="runs")
    def records(self, job: CronJob) -> str:
        address = reverse("admin:chat_cronrun_changelist")
        return format_html(
            '<a href="{}?job__id__exact={}">What its times came to</a>', address, job.pk
        )


@admin.register(CronRun)
class CronRunAdmin(_ReadOnly):
    list_display = ("due", "job", "attempt", "status", "started", "completed", "run", "summary")
    list_filter = ("status", ("job", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("job",)
    search_fields = ("=job__name", "=run_id", "=session_id")
    search_help_text = "a job's name, a run id or a session's id, in full"
    ordering = ("-due_at", "-attempt", "-id")
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = (
        "job",
        "due",
        "attempt",
        "status",
        "started",
        "completed",
        "run",
        "session_id",
        "result_summary",
    )
    readonly_fields = fields

    @admin.display(description="due")
    def due(self, record: CronRun) -> str:
        return _moment(record.due_at)

    @admin.display(description="started")
    def started(self, record: CronRun) -> str:
        return _moment(record.started_at)

    @admin.display(description="completed")
    def completed(self, record: CronRun) -> str:
        return _moment(record.completed_at)

    @admin.display(description="result")
    def summary(self, record: CronRun) -> str:
        return record.result_summary[:100]

    @admin.display(description="run")
    def run(self, record: CronRun) -> Any:
        if not record.run_id:
            return "–"
        address = reverse("admin:runs_run_change", args=[record.run_id])
        return format_html('<a href="{}">{}</a>', address, record.run_id)


def _moment(seconds: int | None) -> str:
    return "–" if seconds is None else to_rfc3339(seconds * 1_000_000_000)[:19] + "Z"
