"""What the routes of users, keys and links take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.utils import OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import BaseModel, Field, RootModel

from runs.api.shapes import ABSENT, ErrorBody, Shape

_TAGS = ["Users"]
_REFUSALS = {
    400: "A value is out of range or no known choice; the body is not JSON",
    401: "No credential, or a wrong one",
    403: "Admin access required, or it would give somebody more than the caller holds",
    404: "There is no such user or key",
    409: "The e-mail address or the account is taken, or nobody would be left to administer",
    413: "The body is too large",
    415: "The body is not `application/json`",
    422: "A field is missing or has another type",
    429: "Too many requests, or too many wrong credentials",
}


class GatewayHealth(Shape):
    status: Literal["ok"]
    version: str


class VerifiedUser(Shape):
    id: str
    display_name: str | None
    role: str
    filesystem_enabled: bool


class Verification(Shape):
    authenticated: bool
    auth_disabled: bool = Field(description="Nobody has been created yet: every caller is admin")
    user: VerifiedUser = Field(ABSENT, description="Whose the credential is")


class UserItem(Shape):
    id: str
    email: str | None
    display_name: str | None
    role: str
    is_active: bool
    filesystem_enabled: bool
    created_at: str
    updated_at: str


class UserList(RootModel[list[UserItem]]):
    pass


class CreatedUser(UserItem):
    key: str = Field(ABSENT, description="Of the first user alone: their key, shown this once")


class ApiKeyItem(Shape):
    id: str
    user_id: str
    prefix: str = Field(description="The eight characters after `sp_live_`")
    label: str | None
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    created_at: str
    capabilities: list[str] | None = Field(description="What it is limited to; null: nothing")
    spending_limit_usd: float | None = Field(description="Over its life; null: no limit")


class ApiKeyList(RootModel[list[ApiKeyItem]]):
    pass


class IssuedApiKey(Shape):
    meta: ApiKeyItem
    key: str = Field(description="The secret, shown this once")


class TelegramAccount(Shape):
    telegram_id: int | None = ABSENT
    username: str | None = ABSENT
    linked_at: str = ABSENT


class Done(Shape):
    status: Literal["ok"]


class WantedUser(BaseModel):
    email: str | None = None
    display_name: str | None = None
    role: str | None = Field(None, description="`user` when it is missing")
    filesystem_enabled: bool | None = None


class WantedKey(BaseModel):
    label: str | None = None
    expires_at: str | None = None
    capabilities: list[str] | None = None
    spending_limit_usd: float | None = None


class WantedLink(BaseModel):
    telegram_id: int | None = None
    username: str | None = None
    force: bool | None = Field(None, description="Take the account away from another user")


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=_TAGS, **facts)


_BODY = (400, 413, 415, 422)

describe_gateway_health = describe(
    get=_operation("gatewayHealth", "Is the gateway there", auth=[], responses={200: GatewayHealth})
)
describe_verify = describe(
    get=_operation(
        "verifyCredential",
        "Does this credential count",
        auth=[],
        responses={200: Verification, 429: OpenApiResponse(ErrorBody, _REFUSALS[429])},
    )
)
describe_users = describe(
    get=_operation(
        "listUsers",
        "List users, the oldest first",
        responses={200: UserList, **_refusals()},
    ),
    post=_operation(
        "createUser",
        "Create a user",
        request={"application/json": WantedUser},
        responses={201: CreatedUser, **_refusals(*_BODY, 409)},
    ),
)
describe_user = describe(
    get=_operation("getUser", "Read a user", responses={200: UserItem, **_refusals(404)}),
    put=_operation(
        "updateUser",
        "Change a user",
        request={"application/json": WantedUser},
        responses={200: UserItem, **_refusals(*_BODY, 404, 409)},
    ),
)
describe_activate = describe(
    post=_operation(
        "activateUser",
        "Let a user in again",
        request=None,
        responses={200: Done, **_refusals(404)},
    )
)
describe_deactivate = describe(
    post=_operation(
        "deactivateUser",
        "Shut a user out",
        request=None,
        responses={200: Done, **_refusals(400, 404, 409)},
    )
)
describe_api_keys = describe(
    get=_operation(
        "listApiKeys",
        "List a user's keys, the newest first",
        responses={200: ApiKeyList, **_refusals(404)},
    ),
    post=_operation(
        "issueApiKey",
        "Issue a key",
        request={"application/json": WantedKey},
        responses={201: IssuedApiKey, **_refusals(*_BODY, 404)},
    ),
)
describe_revoke = describe(
    post=_operation(
        "revokeApiKey",
        "Revoke a key",
        request=None,
        responses={200: Done, **_refusals(404)},
    )
)
describe_telegram = describe(
    get=_operation(
        "getTelegramLink",
        "Read which Telegram account is a user's",
        responses={200: TelegramAccount, **_refusals(404)},
    ),
    put=_operation(
        "linkTelegram",
        "Link a Telegram account to a user",
        request={"application/json": WantedLink},
        responses={200: TelegramAccount, **_refusals(*_BODY, 404, 409)},
    ),
    delete=_operation(
        "unlinkTelegram",
        "Take a user's Telegram account away",
        responses={200: Done, **_refusals(404)},
    ),
)
