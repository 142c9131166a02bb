"""Routes of the gateway. Those of each room stand together."""

from django.urls import URLPattern, path

from chat.api.chat import ChatView
from chat.api.costs import CostsView
from chat.api.frame_check import FrameCheckView
from chat.api.openai import CompletionsView, ModelsView, ModelView
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
    # Costs
    path("api/settings/costs", CostsView.as_view()),
    # As OpenAI's clients know it
    path("openai/v1/models", ModelsView.as_view()),
    path("openai/v1/models/<path:name>", ModelView.as_view()),
    path("openai/v1/chat/completions", CompletionsView.as_view()),
    # Pages that somebody linked to
    path("api/frame-check", FrameCheckView.as_view()),
    # Who calls
    path("api/health", GatewayHealthView.as_view()),
    path("api/auth/verify", VerifyView.as_view()),
    # Users and keys
    path("api/settings/auth/users", UsersView.as_view()),
    path("api/settings/auth/users/<slug:user_id>", UserView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/activate", ActivateUserView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/deactivate", DeactivateUserView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/api-keys", ApiKeysView.as_view()),
    path("api/settings/auth/users/<slug:user_id>/telegram", TelegramLinkView.as_view()),
    path("api/settings/auth/api-keys/<slug:key_id>/revoke", RevokeKeyView.as_view()),
]
