"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.memory import MemoryReindexView, MemorySearchView

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
    # Memory
    path("api/memory/search", MemorySearchView.as_view()),
    path("api/memory/reindex", MemoryReindexView.as_view()),
]
