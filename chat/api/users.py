"""`/api/settings/auth/…`: users, their API keys and their Telegram accounts."""

from decimal import Decimal
from typing import Any, ClassVar

from django.http import HttpResponse
from pydantic import AwareDatetime, Field

from accounts import capabilities
from accounts.errors import UserNotFound
from accounts.models import User
from accounts.principals import Principal
from accounts.services import api_keys, users
from accounts.services.bootstrap import create_first_user
from chat.api.account_items import key_item, link_item, user_item
from chat.api.base import ApiRequest, SettingsView, json_response
from chat.api.bodies import Body, read_body
from chat.api.schema_users import (
    describe_activate,
    describe_api_keys,
    describe_deactivate,
    describe_revoke,
    describe_telegram,
    describe_user,
    describe_users,
)
from chat.errors import CannotDeactivateYourself
from chat.services import telegram_links

OK: dict[str, Any] = {"status": "ok"}


class UserBody(Body):
    """A user to create, or what of one to change: an absent field stays as it is."""

    email: str | None = None
    display_name: str | None = None
    role: str | None = None
    filesystem_enabled: bool | None = None


class KeyBody(Body):
    """A key to issue. Without limits it may do whatever its owner may."""

    label: str | None = None
    expires_at: AwareDatetime | None = None
    capabilities: tuple[str, ...] | None = Field(None, strict=False)
    spending_limit_usd: float | None = Field(None, ge=0, lt=100_000_000, allow_inf_nan=False)


class TelegramBody(Body):
    """The account of a user: its id, its name, or both. `force` takes it from somebody else."""

    telegram_id: int | None = None
    username: str | None = None
    force: bool | None = None


@describe_users
class UsersView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("GET", "POST"), capabilities.USERS_MANAGE)

    def get(self, request: ApiRequest) -> HttpResponse:
        everybody = User.objects.order_by("created_at", "pk")
        return json_response([user_item(user) for user in everybody])

    def post(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, UserBody)
        caller = request.principal
        if caller.provider == "open":
            return _first_user(caller, body)
        user = users.create_user(
            actor=caller.actor,
            email=body.email,
            display_name=body.display_name,
            role=body.role or User.Role.USER,
            filesystem_enabled=bool(body.filesystem_enabled),
            within=caller.capabilities,
        )
        return json_response(user_item(user), status=201)


def _first_user(caller: Principal, body: UserBody) -> HttpResponse:
    """Nobody can log in yet: the first user is an administrator whatever role was asked for, and
    the key is in this answer and nowhere else."""
    users.clean_role(body.role or User.Role.ADMIN)
    user, issued = create_first_user(
        actor=caller.actor,
        email=body.email,
        display_name=body.display_name,
        filesystem_enabled=bool(body.filesystem_enabled),
    )
    return json_response(user_item(user) | {"key": issued.secret}, status=201)


@describe_user
class UserView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("GET", "PUT"), capabilities.USERS_MANAGE)

    def get(self, request: ApiRequest, user_id: str) -> HttpResponse:
        user = User.objects.filter(pk=user_id).first()
        if user is None:
            raise UserNotFound
        return json_response(user_item(user))

    def put(self, request: ApiRequest, user_id: str) -> HttpResponse:
        body = read_body(request, UserBody)
        user = users.update_user(
            user_id=user_id,
            actor=request.principal.actor,
            changes=users.UserChanges(
                email=body.email,
                display_name=body.display_name,
                role=body.role,
                filesystem_enabled=body.filesystem_enabled,
            ),
            within=request.principal.capabilities,
        )
        return json_response(user_item(user))


@describe_deactivate
class DeactivateUserView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("POST",), capabilities.USERS_MANAGE)

    def post(self, request: ApiRequest, user_id: str) -> HttpResponse:
        if user_id == request.principal.user_id:
            raise CannotDeactivateYourself
        users.deactivate_user(user_id=user_id, actor=request.principal.actor)
        return json_response(OK)


@describe_activate
class ActivateUserView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("POST",), capabilities.USERS_MANAGE)

    def post(self, request: ApiRequest, user_id: str) -> HttpResponse:
        caller = request.principal
        users.activate_user(user_id=user_id, actor=caller.actor, within=caller.capabilities)
        return json_response(OK)


@describe_api_keys
class ApiKeysView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("GET", "POST"), capabilities.USERS_MANAGE)

    def get(self, request: ApiRequest, user_id: str) -> HttpResponse:
        return json_response([key_item(key) for key in api_keys.keys_of(user_id)])

    def post(self, request: ApiRequest, user_id: str) -> HttpResponse:
        body = read_body(request, KeyBody)
        limit = body.spending_limit_usd
        issued = api_keys.issue_key(
            user_id=user_id,
            actor=request.principal.actor,
            label=body.label,
            limited_to=body.capabilities,
            expires_at=body.expires_at,
            spending_limit_usd=None if limit is None else Decimal(str(limit)),
            within=request.principal.capabilities,
        )
        answer = {"meta": key_item(issued.key), "key": issued.secret}
        return json_response(answer, status=201)


@describe_revoke
class RevokeKeyView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("POST",), capabilities.USERS_MANAGE)

    def post(self, request: ApiRequest, key_id: str) -> HttpResponse:
        api_keys.revoke_key(key_id=key_id, actor=request.principal.actor)
        return json_response(OK)


@describe_telegram
class TelegramLinkView(SettingsView):
    capabilities: ClassVar = dict.fromkeys(("GET", "PUT", "DELETE"), capabilities.USERS_MANAGE)

    def get(self, request: ApiRequest, user_id: str) -> HttpResponse:
        return json_response(link_item(telegram_links.link_of(user_id)))

    def put(self, request: ApiRequest, user_id: str) -> HttpResponse:
        body = read_body(request, TelegramBody)
        link = telegram_links.link(
            user_id=user_id,
            actor=request.principal.actor,
            telegram_id=body.telegram_id,
            username=body.username,
            force=bool(body.force),
            within=request.principal.capabilities,
        )
        return json_response(link_item(link))

    def delete(self, request: ApiRequest, user_id: str) -> HttpResponse:
        telegram_links.unlink(user_id=user_id, actor=request.principal.actor)
        return json_response(OK)
