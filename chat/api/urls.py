"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
]
