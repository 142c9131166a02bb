"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.no_upgrade import no_upgrade
from chat.api.sessions import ArchiveView, MessagesView, ReadView, SessionsView, SessionView

urlpatterns: list[URLPattern] = [
    path("api/chat", ChatView.as_view()),
    path("ws", no_upgrade),
    path("api/sessions", SessionsView.as_view()),
    path("api/sessions/<str:session_id>", SessionView.as_view()),
    path("api/sessions/<str:session_id>/messages", MessagesView.as_view()),
    path("api/sessions/<str:session_id>/read", ReadView.as_view()),
    path("api/sessions/<str:session_id>/archive", ArchiveView.as_view()),
]
