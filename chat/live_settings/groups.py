"""Every live setting with its type, unit, bounds and default. A group is read and written whole.

Bounds are checked here and nowhere else; the wire's own words for a complaint are made from them.
"""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MEGABYTE = 1_048_576
UINT32 = 4_294_967_295  # what clients of the wire keep such numbers in


class Group(BaseModel):
    """Base of all groups: frozen, since a run keeps the settings it began with."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _time_zone(name: str) -> str:
    if name and name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone")
    return name


def _model_spec(spec: str) -> str:
    provider, _, model = spec.partition("/")
    is_name = spec.isprintable() and not any(character.isspace() for character in spec)
    if not provider or not model or not is_name or len(spec) > 200:
        raise ValueError(f"invalid model spec: '{spec}' — expected 'provider/model'")
    return spec


ModelSpec = Annotated[str, AfterValidator(_model_spec)]
OptionalModelSpec = Annotated[str, AfterValidator(lambda spec: _model_spec(spec) if spec else "")]


def _address(address: str) -> str:
    host, _, port = address.rpartition(":")
    is_port = port.isascii() and port.isdigit() and int(port) <= 65_535
    if not is_port or any(c.isspace() or not c.isprintable() or c == "/" for c in host):
        raise ValueError(f"{address[:100]!r} is no address: expected 'host:port'")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address is written in brackets: '[::1]:8080'")
    return address


def _base_url(url: str) -> str:
    if url:
        parts = urlsplit(url)
        is_plain = url.isprintable() and not any(character.isspace() for character in url)
        is_web = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if not is_web or not is_plain:
            raise ValueError("expected an address that begins with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("an address holds no password: keys are secrets of their own")
    return url


def _pattern(source: str) -> str:
    try:
        matches_nothing = re.compile(source).search("") is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{source[:100]!r} is no regular expression: {error}") from None
    if matches_nothing:
        raise ValueError(f"{source[:100]!r} matches where there is nothing")
    return source


class General(Group):
    """Who answers, and how."""

    #: provider/model, the first is the default; empty: those that the server was started with.
    models: tuple[ModelSpec, ...] = ()
    max_turns: int = Field(30, ge=1, le=1_000)
    max_tokens: int = Field(16_384, ge=1, le=UINT32)  # of one answer
    agent_name: str = Field("Nova", min_length=1, max_length=64)
    timezone: Annotated[str, AfterValidator(_time_zone)] = ""  # "": the host's
    reasoning_effort: Literal["", "low", "medium", "high"] = ""
    compaction_model: OptionalModelSpec = ""  # "": the main model
    followup_mode: Literal["inject", "queue"] = "inject"
    server_addr: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8080"  # after a restart
    self_improve: bool = False

    @model_validator(mode="after")
    def _names_each_model_once(self) -> "General":
        if len(set(self.models)) != len(self.models):
            raise ValueError("models must not name a model twice")
        return self


class Memory(Group):
    """How documents are cut, found and ranked."""

    half_life_days: float = Field(30.0, gt=0, le=3_650)
    mmr_lambda: float = Field(0.7, ge=0, le=1)
    vector_search: bool = True
    chunk_size: int = Field(1_600, ge=200, le=20_000)  # bytes
    chunk_overlap: int = Field(320, ge=0)  # bytes
    export_sessions: bool = True
    #: Messages between two background reviews; 0: none.
    nudge_interval: int = Field(10, ge=0, le=UINT32)
    nudge_model: OptionalModelSpec = ""  # "": the main model
    self_improve: bool = False
    embedding_model: OptionalModelSpec = ""  # "": search is by words alone
    #: Bytes of one document in the system prompt.
    bootstrap_file_cap: int = Field(20_000, ge=0, le=MEGABYTE)
    #: Characters that tools may write into USER.md, and into MEMORY.md.
    user_md_limit: int = Field(4_000, ge=1, le=MEGABYTE)
    memory_md_limit: int = Field(8_000, ge=1, le=MEGABYTE)

    @model_validator(mode="after")
    def _overlaps_less_than_half(self) -> "Memory":
        if self.chunk_overlap * 2 >= self.chunk_size:
            raise ValueError("chunk_overlap must be less than half of chunk_size")
        return self


class Cron(Group):
    """Jobs that run by time."""

    default_max_retries: int = Field(3, ge=0, le=10)
    default_timeout_secs: int = Field(7_200, ge=1, le=86_400)
    max_concurrent_runs: int = Field(1, ge=1, le=32)
    heartbeat_interval_minutes: int = Field(30, ge=1, le=1_440)
    heartbeat_enabled: bool = True  # it beats when HEARTBEAT.md says something, too


class Telegram(Group):
    """The bot. Its token is a secret and kept apart."""

    enabled: bool = False
    gap_minutes: int = Field(360, ge=1, le=43_200)  # of silence that ends a conversation
    stream_mode: Literal["final_only", "all_messages"] = "final_only"


class Frontend(Group):
    """What the chat page shows before anybody has said anything."""

    greeting: str = Field("", max_length=500)
    prompts: tuple[Annotated[str, Field(max_length=500)], ...] = Field((), max_length=20)


class Attachments(Group):
    """Files that come with messages."""

    enabled: bool = True
    max_file_size: int = Field(20 * MEGABYTE, ge=1, le=1_024 * MEGABYTE)  # bytes
    #: Lower-case, without dot; empty: every one.
    allowed_extensions: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_+-]{1,20}$")], ...] = Field(
        (), max_length=100
    )


class Compaction(Group):
    """What becomes of a conversation that outgrows the model's window."""

    context_budget: int = Field(160_000, ge=1_000, le=100_000_000)  # estimated tokens of history
    summary_max_tokens: int = Field(4_096, ge=100, le=UINT32)
    min_keep_messages: int = Field(4, ge=1, le=10_000)


class Redaction(Group):
    """What never gets into a log, beside what STARPORT_REDACT names."""

    built_in: bool = True  # the patterns for keys of well-known services, and our own
    #: Regular expressions of Python.
    patterns: tuple[
        Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_pattern)], ...
    ] = Field((), max_length=100)


class Providers(Group):
    """Where providers of models are reached. Their keys are secrets and kept apart."""

    # Empty: at the provider's own address.

    openai_base_url: Annotated[str, AfterValidator(_base_url)] = ""
    anthropic_base_url: Annotated[str, AfterValidator(_base_url)] = ""
    google_base_url: Annotated[str, AfterValidator(_base_url)] = ""
    openrouter_base_url: Annotated[str, AfterValidator(_base_url)] = ""
    ollama_base_url: Annotated[str, AfterValidator(_base_url)] = ""


class Instances(Group):
    """How instances are watched, and what becomes of those that have gone silent."""

    poll_seconds: int = Field(30, ge=1, le=86_400)  # from one look at all to the next
    heartbeat_timeout: int = Field(90, ge=1, le=86_400)  # seconds; what is older is stale
    auto_restart: bool = True
    #: Of one instance; after as many the monitor gives up on it.
    restarts_per_hour: int = Field(3, ge=1, le=60)
    keep_samples_hours: int = Field(72, ge=0, le=8_784)  # 0: none are kept


#: What is read when a server starts and does not act before.
AFTER_RESTART = frozenset({"server_addr"})

#: By name, as they are stored.
GROUPS: dict[str, type[Group]] = {
    "general": General,
    "memory": Memory,
    "cron": Cron,
    "telegram": Telegram,
    "frontend": Frontend,
    "attachments": Attachments,
    "compaction": Compaction,
    "redaction": Redaction,
    "providers": Providers,
    "instances": Instances,
}
