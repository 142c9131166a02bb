"""The admin's forms of triggers. What is refused is said beside the field it is about."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from runs.errors import InvalidInput
from runs.graphs.registry import all_graphs
from runs.models import CronTrigger, Trigger, WebhookTrigger
from runs.triggers.definitions import (
    CronDefinition,
    Definition,
    WebhookDefinition,
    check_definition,
    check_entered_secret,
    normal_path,
)

_COMMON = ("trigger_id", "graph_id", "params", "is_enabled")


class TriggerForm(forms.ModelForm):  # type: ignore[type-arg] # generic in the stubs alone
    """`definition` is what the form says, once it is valid."""

    graph_id = forms.ChoiceField(label="Graph", widget=UnfoldAdminSelectWidget)
    params = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget,
        help_text='Inputs of every run, JSON: {"goal": "Write the daily report"}',
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        graph_field = self.fields.get("graph_id")
        if isinstance(graph_field, forms.ChoiceField):
            names = {*(graph.id for graph in all_graphs()), *filter(None, [self.instance.graph_id])}
            graph_field.choices = [(name, name) for name in sorted(names)]

    def clean_params(self) -> Any:
        return self.cleaned_data["params"] or {}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            self.definition = self.define(cleaned)
            check_definition(self.definition)
            self.check_further(cleaned)
        except InvalidInput as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
        return cleaned

    def define(self, cleaned: dict[str, Any]) -> Definition:
        raise NotImplementedError

    def check_further(self, cleaned: dict[str, Any]) -> None:
        """What a definition does not say. Raises `InvalidInput`."""
        if self.instance.pk is None:
            taken = Trigger.objects.filter(trigger_id=cleaned["trigger_id"])
            if taken.exists():
                raise InvalidInput("another trigger has this id", field="trigger_id")

    def _trigger_id(self, cleaned: dict[str, Any]) -> str:
        """An id is given once: it is in the keys and actors of all runs since."""
        return str(cleaned.get("trigger_id") or self.instance.trigger_id)


class CronForm(TriggerForm):
    class Meta:
        model = CronTrigger
        fields = (*_COMMON, "cron_expression", "tz", "missed_fire_policy")
        help_texts = {
            "cron_expression": "Minute, hour, day of month, month, day of week: 0 6 * * 1-5",
            "tz": "An IANA name such as Europe/Berlin",
            "missed_fire_policy": "What to do about times that passed while nothing was running, "
            "up to a day ago: fire once for all of them, or not at all",
        }

    def define(self, cleaned: dict[str, Any]) -> Definition:
        return CronDefinition(
            trigger_id=self._trigger_id(cleaned),
            graph_id=cleaned["graph_id"],
            params=cleaned["params"],
            is_enabled=cleaned["is_enabled"],
            cron_expression=cleaned["cron_expression"],
            tz=cleaned["tz"],
            missed_fire_policy=cleaned["missed_fire_policy"],
        )


class WebhookForm(TriggerForm):
    mapping = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget,
        help_text='Inputs from the body, JSON: {"goal": "Triage: {{ body.issue.title }}"}. '
        "Empty: the body's own fields are the inputs.",
    )
    new_secret = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown again. Empty: stays as it is.",
    )
    keep_previous_secret = forms.BooleanField(
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Accept the secret of before as well, until this is switched off.",
    )

    class Meta:
        model = WebhookTrigger
        fields = (
            *_COMMON,
            "path",
            "scheme",
            "mapping",
            "current_secret_env",
            "previous_secret_env",
            "timestamp_window_seconds",
            "signature_header",
            "timestamp_header",
        )
        help_texts = {
            "path": "Below /hooks/",
            "current_secret_env": "Or a variable of the server's environment that holds it",
            "timestamp_window_seconds": "How old or new a timestamp may be",
            "signature_header": "Empty: X-Stargraph-Signature, or X-Hub-Signature-256",
            "timestamp_header": "Empty: X-Stargraph-Timestamp",
        }

    def clean_mapping(self) -> Any:
        return self.cleaned_data["mapping"] or {}

    def clean_path(self) -> str:
        try:
            return normal_path(self.cleaned_data["path"])
        except InvalidInput as error:
            raise forms.ValidationError(str(error)) from None

    def define(self, cleaned: dict[str, Any]) -> Definition:
        return WebhookDefinition(
            trigger_id=self._trigger_id(cleaned),
            graph_id=cleaned["graph_id"],
            params=cleaned["params"],
            is_enabled=cleaned["is_enabled"],
            path=cleaned["path"],
            scheme=cleaned["scheme"],
            mapping=cleaned["mapping"],
            current_secret_env=cleaned["current_secret_env"],
            previous_secret_env=cleaned["previous_secret_env"],
            timestamp_window_seconds=cleaned["timestamp_window_seconds"],
            signature_header=cleaned["signature_header"],
            timestamp_header=cleaned["timestamp_header"],
        )

    def check_further(self, cleaned: dict[str, Any]) -> None:
        super().check_further(cleaned)
        secret, variable = cleaned["new_secret"], cleaned["current_secret_env"]
        if secret and variable:
            raise InvalidInput(
                "enter a secret or name a variable that holds it, not both", field="new_secret"
            )
        if secret:
            check_entered_secret(secret)
        elif not variable and not self.instance.current_secret_sealed:
            raise InvalidInput(
                "a webhook needs a secret, or a variable that holds it", field="new_secret"
            )
