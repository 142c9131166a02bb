"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.config import ConfigView
from chat.api.settings import (
    AttachmentsView,
    ChannelsView,
    CronSettingsView,
    FrontendView,
    GeneralView,
    MemoryView,
    ModelsView,
)
from chat.api.settings_files import FileView, HeartbeatView

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
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
    # A path: names with slashes are no files that may be edited, instead of no routes.
    path("api/settings/files/<path:name>", FileView.as_view()),
]
