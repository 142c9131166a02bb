"""Routes of the chat page and of who may see it."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, path

from accounts.views import MemberLoginView
from chat.page import views

urlpatterns: list[URLPattern] = [
    path("", views.chat_page, name="chat"),
    path("chat/sessions", views.session_list, name="chat-sessions"),
    path("chat/<uuid:session_id>", views.chat_page, name="chat-session"),
    path("login", MemberLoginView.as_view(), name="login"),
    path("logout", LogoutView.as_view(next_page="login"), name="logout"),
]
