"""What the settings routes take and answer, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Literal

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from drf_spectacular.utils import extend_schema_view as describe
from pydantic import Field

from chat.api import settings_bodies as bodies
from chat.api.bodies import Body
from chat.memory.documents import PERSONALITY
from runs.api.shapes import ABSENT, ErrorBody, Shape

_REFUSALS = {
    400: "A value is out of range or no known choice; the body is not JSON",
    401: "No credential, or a wrong one",
    403: "Admin access required",
    413: "The body or the document is too large",
    415: "The body is not `application/json`",
    422: "A field is missing or has another type",
    429: "Too many requests, or too many wrong credentials",
}
_Spec = Field(description="`provider/model`")


class GeneralSettings(Shape):
    models: list[str] = Field(description="`provider/model` each, the default first")
    provider: str = Field(description="Of the default model")
    model: str = Field(description="The default model without its provider")
    max_turns: int
    max_tokens: int = Field(description="Of one answer")
    agent_name: str
    timezone: str | None = Field(description="An IANA name; null: the host's")
    reasoning_effort: Literal["low", "medium", "high"] | None
    compaction_model: str | None = _Spec
    compaction_provider: str | None
    followup_mode: Literal["inject", "queue"]
    server_addr: str = Field(description="`host:port`, from the next start on")
    self_improve: bool
    proxy_enabled: Literal[False]


class MemorySettings(Shape):
    half_life_days: float
    mmr_lambda: float
    vector_search: bool
    chunk_size: int
    chunk_overlap: int
    export_sessions: bool
    nudge_interval: int
    nudge_model: str | None = _Spec
    self_improve: bool


class InstanceSettings(Shape):
    poll_seconds: int = Field(description="From one look at all instances to the next")
    heartbeat_timeout: int = Field(description="Seconds; what is older is stale")
    auto_restart: bool
    restarts_per_hour: int = Field(description="Of one instance, before it is given up on")
    keep_samples_hours: int


class CronSettings(Shape):
    default_max_retries: int
    default_timeout_secs: int
    max_concurrent_runs: int
    heartbeat_interval_minutes: int


class TelegramSettings(Shape):
    enabled: bool
    gap_minutes: int
    stream_mode: Literal["final_only", "all_messages"]
    bot_token: str = Field(ABSENT, description="Bullets and its last characters")


class ChannelSettings(Shape):
    telegram: TelegramSettings


class FrontendSettings(Shape):
    greeting: str | None
    prompts: list[str]


class AttachmentSettings(Shape):
    enabled: bool
    max_file_size: int = Field(description="Bytes")
    allowed_extensions: list[str] = Field(description="Empty: every one")


class HeartbeatSettings(Shape):
    enabled: bool
    interval_minutes: int
    content: str = Field(description="HEARTBEAT.md")


class ModelCatalogue(Shape):
    models: dict[str, list[str]] = Field(description="Ids by provider, sorted")


class FileContent(Shape):
    content: str


class SettingsStored(Shape):
    status: Literal["ok"]


class PageConfig(Shape):
    greeting: str | None
    prompts: list[str]
    models: list[str]
    agent_name: str
    oauth_proxy_url: str
    attachments: AttachmentSettings


def _refusals(*statuses: int) -> dict[int | tuple[int, str], Any]:
    return {
        status: OpenApiResponse(ErrorBody, _REFUSALS[status])
        for status in (*statuses, 401, 403, 429)
    }


def _operation(name: str, summary: str, **facts: Any) -> Callable[..., Any]:
    facts.setdefault("description", f"{summary}.")
    return extend_schema(operation_id=name, summary=summary, tags=["Settings"], **facts)


def _group(name: str, words: str, shown: type[Shape], taken: type[Body]) -> Callable[..., Any]:
    return describe(
        get=_operation(
            f"get{name}Settings", f"Read {words}", responses={200: shown, **_refusals()}
        ),
        put=_operation(
            f"put{name}Settings",
            f"Replace {words}",
            request={"application/json": taken},
            responses={200: SettingsStored, **_refusals(400, 413, 415, 422)},
        ),
    )


describe_general = _group("General", "who answers, and how", GeneralSettings, bodies.GeneralBody)
describe_memory = _group(
    "Memory", "how memory is searched", MemorySettings, bodies.MemorySettingsBody
)
describe_cron = _group("Cron", "the defaults of jobs", CronSettings, bodies.CronSettingsBody)
describe_channels = _group("Channel", "the channels", ChannelSettings, bodies.ChannelsBody)
describe_frontend = _group(
    "Frontend", "what the chat page begins with", FrontendSettings, bodies.FrontendBody
)
describe_attachments = _group(
    "Attachment", "which files may be attached", AttachmentSettings, bodies.AttachmentsBody
)
describe_instances = _group(
    "Instance", "how instances are watched", InstanceSettings, bodies.InstanceSettingsBody
)
describe_heartbeat = _group(
    "Heartbeat", "the heartbeat and its prompt", HeartbeatSettings, bodies.HeartbeatBody
)

_NAME = OpenApiParameter(
    "name", {"type": "string", "enum": list(PERSONALITY)}, OpenApiParameter.PATH
)
describe_files = describe(
    get=_operation(
        "getSettingsFile",
        "Read a document that makes the assistant who it is",
        parameters=[_NAME],
        responses={200: FileContent, **_refusals(400)},
    ),
    put=_operation(
        "putSettingsFile",
        "Replace a document that makes the assistant who it is",
        parameters=[_NAME],
        request={"application/json": bodies.FileBody},
        responses={200: SettingsStored, **_refusals(400, 413, 415, 422)},
    ),
)

describe_models = describe(
    get=_operation(
        "listKnownModels",
        "List well-known models, and those in use",
        responses={200: ModelCatalogue, **_refusals()},
    )
)

describe_config = describe(
    get=_operation(
        "getPageConfig",
        "Read what the chat page needs before anybody has logged in",
        auth=[],
        responses={200: PageConfig, 429: OpenApiResponse(ErrorBody, _REFUSALS[429])},
    )
)
