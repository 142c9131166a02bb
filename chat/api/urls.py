"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.cron import CronJobsView, CronJobView, CronRunNowView, CronRunsView
from chat.api.memory import MemoryReindexView, MemorySearchView
from chat.api.no_upgrade import no_upgrade
from chat.api.sessions import ArchiveView, MessagesView, ReadView, SessionsView, SessionView
from chat.api.standing import GatewayHealthView, VerifyView
from chat.api.users import (
    ActivateUserView,
    ApiKeysView,
    DeactivateUserView,
    RevokeKeyView,
    TelegramLinkView,
    UsersView,
    UserView,
)

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
    # Who calls
    path("api/health", GatewayHealthView.as_view()),
    path("api/auth/verify", VerifyView.as_view()),
    # Memory
    path("api/memory/search", MemorySearchView.as_view()),
    path("api/memory/reindex", MemoryReindexView.as_view()),
    # Users and keys
    path("api/settings/auth/users", UsersView.as_view()),
    path("api/settings/auth/users/<slug:user_id>", UserView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/activate", ActivateUserView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/deactivate", DeactivateUserView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/api-keys", ApiKeysView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/telegram", TelegramLinkView.as_view()),
    path("api/settings/auth/api-keys/<slug:key_id>/revoke", RevokeKeyView.as_view()),
    path("api/cron/jobs", CronJobsView.as_view()),
    path("api/cron/jobs/<str:job_id>", CronJobView.as_view()),
    path("api/cron/jobs/<str:job_id>/runs", CronRunsView.as_view()),
    path("api/cron/jobs/<str:job_id>/run", CronRunNowView.as_view()),
    path("ws", no_upgrade),
    path("api/sessions", SessionsView.as_view()),
    path("api/sessions/<str:session_id>", SessionView.as_view()),
    path("api/sessions/<str:session_id>/messages", MessagesView.as_view()),
    path("api/sessions/<str:session_id>/read", ReadView.as_view()),
    path("api/sessions/<str:session_id>/archive", ArchiveView.as_view()),
]
