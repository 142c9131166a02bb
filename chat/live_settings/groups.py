"""Every live setting with its type, unit, bounds and default. A group is read and written whole.

Bounds are checked here and nowhere else; the wire's own words for a complaint are made from them.
"""

from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MEGABYTE = 1_048_576


class Group(BaseModel):
    """Base of all groups: frozen, since a run keeps the settings it began with."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _time_zone(name: str) -> str:
    if name and name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone")
    return name


def _model_spec(spec: str) -> str:
    provider, _, model = spec.partition("/")
    if not provider or not model:
        raise ValueError(f"invalid model spec: '{spec}' — expected 'provider/model'")
    return spec


ModelSpec = Annotated[str, AfterValidator(_model_spec)]
OptionalModelSpec = Annotated[str, AfterValidator(lambda spec: _model_spec(spec) if spec else "")]


class General(Group):
    """Who answers, and how."""

    #: provider/model, the first is the default; empty: those that the server was started with.
    models: tuple[ModelSpec, ...] = ()
    max_turns: int = Field(30, ge=1, le=1_000)
    max_tokens: int = Field(16_384, ge=1)  # of one answer
    agent_name: str = Field("Nova", min_length=1, max_length=64)
    timezone: Annotated[str, AfterValidator(_time_zone)] = ""  # "": the host's
    reasoning_effort: Literal["", "low", "medium", "high"] = ""
    compaction_model: OptionalModelSpec = ""  # "": the main model
    followup_mode: Literal["inject", "queue"] = "inject"
    server_addr: str = Field("127.0.0.1:8080", pattern=r"^\S+:[0-9]{1,5}$")  # after a restart
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
    nudge_interval: int = Field(10, ge=0)  # messages between two background reviews; 0: none
    nudge_model: OptionalModelSpec = ""  # "": the main model
    self_improve: bool = False
    embedding_model: OptionalModelSpec = ""  # "": search is by words alone
    bootstrap_file_cap: int = Field(20_000, ge=0)  # bytes of one document in the system prompt
    user_md_limit: int = Field(4_000, ge=1)  # characters that tools may write into USER.md
    memory_md_limit: int = Field(8_000, ge=1)  # and into MEMORY.md

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
    max_file_size: int = Field(20 * MEGABYTE, ge=1)  # bytes
    allowed_extensions: tuple[str, ...] = ()  # lower-case, without dot; empty: every one


class Compaction(Group):
    """What becomes of a conversation that outgrows the model's window."""

    context_budget: int = Field(160_000, ge=1_000)  # estimated tokens of history
    summary_max_tokens: int = Field(4_096, ge=100)
    min_keep_messages: int = Field(4, ge=1)


class Redaction(Group):
    """What never gets into a log."""

    patterns: tuple[Annotated[str, Field(max_length=500)], ...] = Field((), max_length=100)


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
}
