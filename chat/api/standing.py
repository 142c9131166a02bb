"""What anybody may ask: whether the server is there, and whether a key counts."""

from typing import Any, ClassVar

from django.http import HttpResponse

from accounts import capabilities
from accounts.authentication import authenticate_http
from accounts.errors import AccountsError, TooManyAttempts
from accounts.models import User
from accounts.principals import Principal
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.schema_users import describe_gateway_health, describe_verify
from runs.engine.start import app_version


@describe_gateway_health
class GatewayHealthView(GatewayView):
    """Looks at nothing: clients read the version to learn of an update."""

    capabilities: ClassVar = {"GET": None}
    authentication_classes = ()

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response({"status": "ok", "version": app_version()})


@describe_verify
class VerifyView(GatewayView):
    """Answers 200 whatever was sent; only who tries key after key is told to wait."""

    capabilities: ClassVar = {"GET": None}
    authentication_classes = ()

    def get(self, request: ApiRequest) -> HttpResponse:
        try:
            caller = authenticate_http(request)
        except TooManyAttempts:
            raise
        except AccountsError:
            return json_response({"authenticated": False, "auth_disabled": False})
        is_open = caller.provider == "open"
        answer: dict[str, Any] = {"authenticated": True, "auth_disabled": is_open}
        if not is_open:
            answer["user"] = _user_of(caller)
        return json_response(answer)


def _user_of(caller: Principal) -> dict[str, Any]:
    """Never missing for a valid credential: clients take "no user" for an open server.

    A token or certificate behind which no user stands is shown by its name.
    """
    user = User.objects.filter(pk=caller.user_id).first() if caller.user_id else None
    if user is None:
        is_admin = caller.can(capabilities.SETTINGS_MANAGE)
        return {
            "id": caller.actor,
            "display_name": None,
            "role": User.Role.ADMIN if is_admin else User.Role.USER,
            "filesystem_enabled": False,
        }
    return {
        "id": user.pk,
        "display_name": user.display_name or None,
        "role": user.role,
        "filesystem_enabled": user.filesystem_enabled,
    }
