"""The admin's form of an endpoint: it refuses what the routes refuse."""

from typing import Any

from django import forms
from pydantic import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from chat.models import WebhookEndpoint
from chat.webhooks.definitions import NewEndpoint
from chat.webhooks.event_types import FAMILIES, TYPES

_EVERYBODY = ("", "everything")


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg] # generic in the stubs alone
    """`wanted` is what the form says, once it is valid."""

    url = forms.CharField(
        label="URL", widget=UnfoldAdminTextInputWidget, help_text="http or https, without password"
    )
    events = forms.MultipleChoiceField(
        choices=[
            *((name, f"{name}: {about}") for name, about in TYPES.items()),
            *((name, f"{name}: all of these, also of later versions") for name in FAMILIES),
        ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    owner = forms.ChoiceField(
        label="Hears of",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="A user: of the runs that this user may see",
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "events", "owner", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner = self.fields.get("owner")
        if isinstance(owner, forms.ChoiceField):
            users = User.objects.filter(is_active=True)
            owner.choices = [_EVERYBODY, *((user.pk, f"what {user} may see") for user in users)]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            self.wanted = NewEndpoint(
                url=cleaned["url"],
                events=cleaned["events"],
                description=cleaned["description"],
                enabled=cleaned["is_enabled"],
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            self.add_error(str(first["loc"][0]), first["msg"].removeprefix("Value error, "))
        return cleaned
