"""The admin's form of a group: a field for each setting, by its type."""

from typing import Any, Literal, get_args, get_origin

from django import forms
from django.http import QueryDict

from chat.errors import OutOfRange
from chat.live_settings.groups import Group
from chat.live_settings.layers import Layers

#: What the admin says beside a field whose name does not say it all.
HELP = {
    "models": "provider/model, one a line, the first is the default",
    "max_turns": "of one run",
    "max_tokens": "of one answer",
    "timezone": "an IANA name such as Europe/Berlin; empty: the host's",
    "compaction_model": "provider/model; empty: the main model",
    "followup_mode": "whether a message joins the run that is under way, or waits for its end",
    "server_addr": "host:port, from the next start on",
    "half_life_days": "days after which a daily log counts half in a search",
    "mmr_lambda": "0 for variety of what is found, 1 for likeness to what was asked",
    "chunk_size": "bytes; acts when the memory is reindexed",
    "chunk_overlap": "bytes; less than half of the chunk size",
    "nudge_interval": "messages between two background reviews; 0: none",
    "nudge_model": "provider/model; empty: the main model",
    "embedding_model": "provider/model; empty: search is by words alone",
    "bootstrap_file_cap": "bytes of one document in the system prompt",
    "user_md_limit": "characters that tools may write into USER.md",
    "memory_md_limit": "characters that tools may write into MEMORY.md",
    "default_timeout_secs": "seconds",
    "heartbeat_enabled": "it beats while HEARTBEAT.md says something, too",
    "gap_minutes": "of silence that end a conversation",
    "greeting": "empty: the page's own",
    "prompts": "one a line",
    "max_file_size": "bytes",
    "allowed_extensions": "one a line, without dot; empty: every one",
    "context_budget": "estimated tokens of history",
    "built_in": "patterns for keys of well-known services, and our own",
    "patterns": "regular expressions of Python, one a line: what matches becomes [redacted]",
    "poll_seconds": "seconds from one look at all instances to the next",
    "heartbeat_timeout": "seconds; an instance whose last heartbeat is older is stale",
    "auto_restart": "whether a stale instance is restarted",
    "restarts_per_hour": "of one instance; after as many it is given up on",
    "keep_samples_hours": "hours; 0: what polls measure is not kept",
    "openai_base_url": "empty: the provider's own; a key that is set is sent there",
}


class Lines(forms.CharField):
    """A list of texts, one a line; blank lines count for nothing."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "code"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


class GroupForm(forms.Form):
    """The values of a group, and which revision of it somebody saw."""

    revision = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(
        self, kind: type[Group], layers: Layers, revision: int, data: QueryDict | None = None
    ) -> None:
        super().__init__(data, initial={**layers.merged, "revision": revision})
        for name, field in kind.model_fields.items():
            self.fields[name] = _field_of(field.annotation, HELP.get(name, ""))

    @property
    def values(self) -> dict[str, Any]:
        """As JSON has them, once the form is valid."""
        return {name: value for name, value in self.cleaned_data.items() if name != "revision"}

    def add_refusal(self, error: OutOfRange) -> None:
        name = error.field.partition(".")[0]
        self.add_error(name if name in self.fields else None, str(error))


def _field_of(annotation: Any, help_text: str) -> forms.Field:
    if get_origin(annotation) is Literal:
        choices = [(value, value or "not set") for value in get_args(annotation)]
        return forms.ChoiceField(choices=choices, required=False, help_text=help_text)
    if get_origin(annotation) is tuple:
        return Lines(required=False, help_text=help_text)
    if annotation is bool:
        return forms.BooleanField(required=False, help_text=help_text)
    if annotation is int:
        return forms.IntegerField(help_text=help_text)
    if annotation is float:
        widget = forms.NumberInput(attrs={"step": "any"})
        return forms.FloatField(widget=widget, help_text=help_text)
    return forms.CharField(required=False, help_text=help_text)


class SecretForm(forms.Form):
    """One secret, to be entered or replaced. What there is already is never sent to a browser."""

    value = forms.CharField(
        label="New value",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
