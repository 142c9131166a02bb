"""The form that makes an instance."""

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

NAME_MAX_CHARS = 200


class NewInstanceForm(forms.Form):
    name = forms.CharField(
        max_length=NAME_MAX_CHARS,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: it has none, and goes by its id.",
    )
    region = forms.CharField(
        max_length=NAME_MAX_CHARS,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: where the backend likes.",
    )
