"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.cron import CronJobsView, CronJobView, CronRunNowView, CronRunsView

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
    path("api/cron/jobs", CronJobsView.as_view()),
    path("api/cron/jobs/<str:job_id>", CronJobView.as_view()),
    path("api/cron/jobs/<str:job_id>/runs", CronRunsView.as_view()),
    path("api/cron/jobs/<str:job_id>/run", CronRunNowView.as_view()),
]
