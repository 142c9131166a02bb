"""The form that answers a run: one field for each thing it asks."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.http import QueryDict

from runs.approvals.questions import ANSWER, Asked, Kind, Question, asked_by, label_of
from runs.event_types import InputRequested
from runs.tools.arguments import first_violation

LONG_TEXT_CHARS = 200  # a text that may be longer gets a box instead of a line
EXACT_INTEGER = 2**53  # below it a number without a fraction is written as an integer

#: Names of what the buttons send; fields are called `field0`, `field1`, and so on, because a
#: schema may call its properties anything.
DECIDED, SEND_JSON = "decided", "send_json"
JSON = "json"


class JsonField(forms.CharField):
    """JSON as somebody wrote it."""

    widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "code"})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise ValidationError(
                f"This is no JSON: line {error.lineno}, column {error.colno}."
            ) from None
        except (ValueError, RecursionError):
            raise ValidationError("This is no JSON that can be kept.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class AnswerForm(forms.Form):
    """An answer to `request`; once the form is valid, `response` is what to send."""

    def __init__(self, request: InputRequested, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.asked: Asked = asked_by(request)
        self._names = {
            f"field{number}": question for number, question in enumerate(self.asked.questions)
        }
        for name, question in self._names.items():
            self.fields[name] = _FIELDS[question.kind](question)
        if self.asked.is_json or self.asked.is_open:
            self.fields[JSON] = JsonField(label="Answer as JSON", required=False)

    @property
    def questions(self) -> Iterator[BoundField]:
        return (self[name] for name in self._names)

    @property
    def json_field(self) -> BoundField | None:
        return self[JSON] if JSON in self.fields else None

    @property
    def buttons(self) -> list[str]:
        return [label_of(choice) for choice in self.asked.buttons]

    @property
    def response(self) -> dict[str, Any]:
        if self.is_json:
            written = self.cleaned_data[JSON]
            return written if isinstance(written, dict) else {ANSWER: written}
        response: dict[str, Any] = {}
        if self.asked.decided:
            response[self.asked.decided] = self._decision
        for name, question in self._names.items():
            value = self.cleaned_data.get(name)
            if _is_given(question, value):
                response[question.name] = value
            elif question.takes_null and question.is_required:
                response[question.name] = None
        return response

    @property
    def is_json(self) -> bool:
        return self.asked.is_json or SEND_JSON in self.data

    def clean(self) -> dict[str, Any]:
        if self.is_json:
            # What the other fields lack is of no interest then.
            for name in self._names:
                self.errors.pop(name, None)
            if not self.errors and not str(self.data.get(JSON, "")).strip():
                self.add_error(JSON, "Write the answer.")
            return self.cleaned_data
        if self.asked.decided and self._decision is None:
            self.add_error(None, "Press one of the buttons.")
        for name, question in self._names.items():
            value = self.cleaned_data.get(name)
            if not _is_given(question, value):
                continue
            if complaint := first_violation(dict(question.schema), value):
                self.add_error(name, _sentence(complaint))
        return self.cleaned_data

    def add_refusal(self, message: str) -> None:
        """Show what the service said about the response, at the field it is about."""
        message = message.removeprefix("response: ")
        place, _, complaint = message.partition(": ")
        for name, question in self._names.items():
            if complaint and question.name == place:
                self.add_error(name, _sentence(complaint))
                return
        whole = message.removeprefix("arguments: ")
        self.add_error(JSON if self.is_json else None, f"{whole}.")

    @property
    def _decision(self) -> str | int | float | bool | None:
        pressed = self.data.get(DECIDED)
        return next((each for each in self.asked.buttons if label_of(each) == pressed), None)


def _is_given(question: Question, value: Any) -> bool:
    """An empty list counts where there has to be a list."""
    return question.is_required if value == [] else value not in (None, "")


def _sentence(complaint: str) -> str:
    text = complaint.removeprefix("arguments: ")
    return f"{text[:1].upper()}{text[1:]}." if text else "This does not fit."


# --- One field for each kind of question ------------------------------------------------------


def _text(question: Question) -> forms.Field:
    longest = question.schema.get("maxLength")
    is_line = longest is not None and longest <= LONG_TEXT_CHARS
    return _Text(
        **_common(question),
        max_length=longest,
        min_length=question.schema.get("minLength"),
        widget=forms.TextInput() if is_line else forms.Textarea(attrs={"rows": 3}),
    )


class _Text(forms.CharField):
    def to_python(self, value: Any) -> str:
        # Forms send two characters where the human typed one.
        return (super().to_python(value) or "").replace("\r\n", "\n")


class _Number(forms.FloatField):
    def clean(self, value: Any) -> int | float | None:
        number: float | None = super().clean(value)
        if number is None or not number.is_integer() or abs(number) >= EXACT_INTEGER:
            return number
        return int(number)


def _number(question: Question) -> forms.Field:
    widget = forms.NumberInput(attrs={"step": question.schema.get("multipleOf", "any")})
    return _Number(**_common(question), **_bounds(question), widget=widget)


def _integer(question: Question) -> forms.Field:
    return forms.IntegerField(**_common(question), **_bounds(question))


def _bounds(question: Question) -> dict[str, Any]:
    bounds = {
        "min_value": question.schema.get("minimum"),
        "max_value": question.schema.get("maximum"),
    }
    return {name: value for name, value in bounds.items() if value is not None}


def _boolean(question: Question) -> forms.Field:
    # A box that is not ticked says no.
    return forms.BooleanField(**{**_common(question), "required": False})


def _choice(question: Question) -> forms.Field:
    default = question.schema.get("default")
    initial = label_of(default) if default in question.choices else ""
    empty = [] if question.is_required and initial else [("", "—")]
    return forms.TypedChoiceField(
        **{**_common(question), "initial": initial},
        choices=[*empty, *_pairs(question)],
        coerce=_chosen_from(question),
        empty_value=None,
    )


def _choices(question: Question) -> forms.Field:
    default = question.schema.get("default")
    initial = [label_of(each) for each in default] if isinstance(default, list) else []
    return forms.TypedMultipleChoiceField(
        # An empty list is an answer; `minItems` says when it is none.
        **{**_common(question), "initial": initial, "required": False},
        choices=_pairs(question),
        coerce=_chosen_from(question),
        widget=forms.CheckboxSelectMultiple(),
    )


class _Lines(_Text):
    def clean(self, value: Any) -> Any:
        lines = [line.strip() for line in super().clean(value).split("\n")]
        return [line for line in lines if line]


def _lines(question: Question) -> forms.Field:
    common = _common(question)
    default = question.schema.get("default")
    common["initial"] = "\n".join(map(str, default)) if isinstance(default, list) else ""
    common["help_text"] = " ".join(filter(None, [question.description, "One on each line."]))
    # As above: an empty list is an answer.
    return _Lines(**{**common, "required": False}, widget=forms.Textarea(attrs={"rows": 3}))


def _json(question: Question) -> forms.Field:
    return JsonField(**{**_common(question), "help_text": "As JSON."})


def _pairs(question: Question) -> list[tuple[str, str]]:
    return [(label_of(choice), label_of(choice)) for choice in question.choices]


def _chosen_from(question: Question) -> Callable[[str], Any]:
    choices = {label_of(choice): choice for choice in question.choices}
    return lambda label: choices[label]


def _common(question: Question) -> dict[str, Any]:
    return {
        "label": question.title,
        "help_text": question.description,
        "required": question.is_required and not question.takes_null,
        "initial": question.schema.get("default"),
    }


_FIELDS: Mapping[Kind, Callable[[Question], forms.Field]] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "choice": _choice,
    "choices": _choices,
    "lines": _lines,
    "json": _json,
}
