"""What the settings routes take: which fields must be there, and of which type.

Which values they may have is said by `chat.live_settings.groups`, and an absent optional field is
the default from there.
"""

from typing import Any

from chat.api.bodies import Body
from chat.errors import InvalidBody, OutOfRange


class GeneralBody(Body):
    """Of the older generation `provider` and `model` in place of `models`."""

    models: list[str] | None = None
    provider: str | None = None
    model: str | None = None
    max_turns: int
    max_tokens: int
    agent_name: str
    timezone: str | None = None
    reasoning_effort: str | None = None
    compaction_model: str | None = None
    compaction_provider: str | None = None
    followup_mode: str | None = None
    server_addr: str
    self_improve: bool | None = None
    proxy_enabled: bool | None = None  # of another gateway; it means nothing here

    def chosen_models(self, shown: list[str]) -> list[str]:
        """`shown` is what this client was told. Raises `InvalidBody` or `OutOfRange`."""
        has_pair = self.provider is not None or self.model is not None
        if self.models is None and not has_pair:
            raise InvalidBody("models: field required", field="models")
        if self.models is not None and not self.models:
            raise OutOfRange("models cannot be empty", field="models")
        if not has_pair:
            return self.models or []
        first = self._one_model()
        if self.models is not None and (self.models != shown or first == shown[0]):
            return self.models
        # An old client edits the one model that it knows of.
        return [first, *(name for name in shown[1:] if name != first)]

    def _one_model(self) -> str:
        for name in ("provider", "model"):
            value = getattr(self, name)
            if value is None:
                raise InvalidBody(f"{name}: field required", field=name)
            if not value:
                raise OutOfRange(f"{name} cannot be empty", field=name)
        return f"{self.provider}/{self.model}"

    def chosen_compaction_model(self, stored: str) -> str:
        """One name of what may have come in two halves; empty is the main model."""
        model, provider = self.compaction_model or "", self.compaction_provider or ""
        if not model or not provider or model.startswith(f"{provider}/"):
            return model
        if model == stored:  # only its provider was edited
            model = stored.partition("/")[2]
        return f"{provider}/{model}"


class MemorySettingsBody(Body):
    half_life_days: float
    mmr_lambda: float
    vector_search: bool
    chunk_size: int
    chunk_overlap: int
    export_sessions: bool
    nudge_interval: int | None = None
    nudge_model: str | None = None
    self_improve: bool | None = None


class CronSettingsBody(Body):
    default_max_retries: int
    default_timeout_secs: int
    max_concurrent_runs: int
    heartbeat_interval_minutes: int


class TelegramSettingsBody(Body):
    """`stream_mode` and `bot_token` stay as they are when they are absent."""

    enabled: bool
    gap_minutes: int | None = None
    stream_mode: str | None = None
    bot_token: str | None = None  # empty: there is to be none


class ChannelsBody(Body):
    telegram: TelegramSettingsBody


class FrontendBody(Body):
    greeting: str | None = None
    prompts: list[str]


class AttachmentsBody(Body):
    enabled: bool
    max_file_size: int
    allowed_extensions: list[str] | None = None


class InstanceSettingsBody(Body):
    poll_seconds: int | None = None
    heartbeat_timeout: int | None = None
    auto_restart: bool | None = None
    restarts_per_hour: int | None = None
    keep_samples_hours: int | None = None


class HeartbeatBody(Body):
    enabled: bool
    interval_minutes: int
    content: str


class FileBody(Body):
    content: str


def present(**values: Any) -> dict[str, Any]:
    """Without those that are `None`."""
    return {name: value for name, value in values.items() if value is not None}
