"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.config import ConfigView
from chat.api.costs import CostsView
from chat.api.cron import CronJobsView, CronJobView, CronRunNowView, CronRunsView
from chat.api.frame_check import FrameCheckView
from chat.api.instance_logs import InstanceLogsView
from chat.api.instances import (
    InstanceHealthView,
    InstancesView,
    InstanceView,
    PauseInstanceView,
    RestartInstanceView,
)
from chat.api.memory import MemoryReindexView, MemorySearchView
from chat.api.no_upgrade import no_upgrade
from chat.api.openai import CompletionsView, ModelView
from chat.api.openai import ModelsView as OfferedModelsView
from chat.api.sessions import ArchiveView, MessagesView, ReadView, SessionsView, SessionView
from chat.api.settings import (
    AttachmentsView,
    ChannelsView,
    CronSettingsView,
    FrontendView,
    GeneralView,
    InstanceSettingsView,
    MemoryView,
    ModelsView,
)
from chat.api.settings_files import FileView, HeartbeatView
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
from chat.api.webhooks import (
    RedeliverView,
    RotateView,
    WebhookDeliveriesView,
    WebhooksView,
    WebhookTestView,
    WebhookView,
)

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
    # Costs
    path("api/settings/costs", CostsView.as_view()),
    # As OpenAI's clients know it
    path("openai/v1/models", OfferedModelsView.as_view()),
    path("openai/v1/models/<path:name>", ModelView.as_view()),
    path("openai/v1/chat/completions", CompletionsView.as_view()),
    # Pages that somebody linked to
    path("api/frame-check", FrameCheckView.as_view()),
    # Instances
    path("api/instances", InstancesView.as_view()),
    path("api/instances/<str:instance_id>", InstanceView.as_view()),
    path("api/instances/<str:instance_id>/health", InstanceHealthView.as_view()),
    path("api/instances/<str:instance_id>/logs", InstanceLogsView.as_view()),
    path("api/instances/<str:instance_id>/pause", PauseInstanceView.as_view()),
    path("api/instances/<str:instance_id>/restart", RestartInstanceView.as_view()),
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
    # Settings
    path("api/config", ConfigView.as_view()),
    path("api/settings/general", GeneralView.as_view()),
    path("api/settings/models", ModelsView.as_view()),
    path("api/settings/memory", MemoryView.as_view()),
    path("api/settings/cron", CronSettingsView.as_view()),
    path("api/settings/channels", ChannelsView.as_view()),
    path("api/settings/frontend", FrontendView.as_view()),
    path("api/settings/attachments", AttachmentsView.as_view()),
    path("api/settings/heartbeat", HeartbeatView.as_view()),
    path("api/settings/instances", InstanceSettingsView.as_view()),
    # Outgoing webhooks
    path("api/settings/webhooks", WebhooksView.as_view()),
    path("api/settings/webhooks/<str:endpoint_id>", WebhookView.as_view()),
    path("api/settings/webhooks/<str:endpoint_id>/rotate", RotateView.as_view()),
    path("api/settings/webhooks/<str:endpoint_id>/test", WebhookTestView.as_view()),
    path("api/settings/webhooks/<str:endpoint_id>/deliveries", WebhookDeliveriesView.as_view()),
    path(
        "api/settings/webhooks/<str:endpoint_id>/deliveries/<str:delivery_id>/redeliver",
        RedeliverView.as_view(),
    ),
    # A path: names with slashes are no files that may be edited, instead of no routes.
    path("api/settings/files/<path:name>", FileView.as_view()),
]
