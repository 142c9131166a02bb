"""Typed state: what fields a graph's runs carry, their defaults, and how branches are merged."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

TypeName = Literal["str", "int", "float", "bool", "list", "dict", "bytes"]
Reducer = Literal["last-write", "append", "max", "min"]

#: Every run has a goal; a graph need not declare it.
GOAL = "goal"

_NUMBERS = (int, float)


class FieldSpec(BaseModel):
    """A field as documents declare it in full; a bare type name is short for one without default.

    Unlike in the original format a `reducer` may be named: it merges what several branches of a
    parallel put into the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: TypeName
    default: Any = None
    reducer: Reducer | None = None

    @property
    def has_default(self) -> bool:
        return "default" in self.model_fields_set


class Unfit(ValueError):
    """A value does not fit its field. `kind` is the complaint's type on the wire."""

    def __init__(self, name: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.kind = kind


class MergeConflict(ValueError):
    """Two branches wrote one field, and the graph does not say how to merge it."""


@dataclass(frozen=True, slots=True)
class StateSchema:
    """The declared fields of a graph. Without any, its state takes whatever it is given."""

    fields: Mapping[str, FieldSpec] = field(default_factory=dict)

    def initial(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The state that a run begins with. Raises `Unfit` for the first field that is wrong."""
        unfit = next(self.complaints(inputs), None)
        if unfit is not None:
            raise unfit
        return self.with_defaults(
            {name: self._converted(name, value) for name, value in inputs.items()}
        )

    def with_defaults(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values`, and the default of each field that they leave out."""
        defaults = {
            name: self._converted(name, spec.default)
            for name, spec in self.fields.items()
            if spec.has_default and name not in values
        }
        return {**defaults, **values}

    def complaints(self, inputs: Mapping[str, Any]) -> Iterator[Unfit]:
        """What is wrong with `inputs`, field by field."""
        for name, spec in self.fields.items():
            if name not in inputs and not spec.has_default and name != GOAL:
                yield Unfit(name, "missing", "Field required")
        for name, value in inputs.items():
            if self.fields and name not in self.fields and name != GOAL:
                yield Unfit(name, "extra_forbidden", "Extra inputs are not permitted")
                continue
            try:
                self._converted(name, value)
            except Unfit as error:
                yield error

    def check_output(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """What a node put out, as its fields hold it. Raises `Unfit`."""
        return {name: self._converted(name, value) for name, value in output.items()}

    def merge(self, outputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """What the branches of a parallel put out together. Raises `MergeConflict`."""
        merged: dict[str, Any] = {}
        for output in outputs:
            for name, value in output.items():
                if name not in merged:
                    merged[name] = value
                elif (reducer := self._reducer(name)) is not None:
                    try:
                        merged[name] = _REDUCE[reducer](merged[name], value)
                    except TypeError:
                        raise MergeConflict(
                            f"what two branches wrote into {name!r} cannot be compared"
                        ) from None
                elif merged[name] != value:
                    raise MergeConflict(f"two branches wrote {name!r} and it has no reducer")
        return merged

    def _reducer(self, name: str) -> Reducer | None:
        spec = self.fields.get(name)
        return spec.reducer if spec is not None else None

    def _converted(self, name: str, value: Any) -> Any:
        spec = self.fields.get(name)
        if spec is None:
            if name == GOAL and not isinstance(value, str):
                raise Unfit(name, *_COMPLAINTS["str"])
            return value
        if value is None and spec.has_default and spec.default is None:
            return None
        return _as_type(name, spec.type, value)


def _as_type(name: str, type_name: str, value: Any) -> Any:
    """A value as fields of that type hold it. Raises `Unfit`."""
    if type_name == "bytes" and isinstance(value, str):
        return _from_base64(name, value)
    if not _FITS[type_name](value):
        raise Unfit(name, *_COMPLAINTS[type_name])
    return float(value) if type_name == "float" else value


def _from_base64(name: str, text: str) -> bytes:
    """JSON has no bytes: they come as base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unfit(name, *_COMPLAINTS["bytes"]) from None


def _is_number(value: Any, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


_FITS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: _is_number(value, int),
    "float": lambda value: _is_number(value, *_NUMBERS),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, dict),
    "bytes": lambda value: isinstance(value, bytes),
}

_COMPLAINTS = {
    "str": ("string_type", "Input should be a valid string"),
    "int": ("int_type", "Input should be a valid integer"),
    "float": ("float_type", "Input should be a valid number"),
    "bool": ("bool_type", "Input should be a valid boolean"),
    "list": ("list_type", "Input should be a valid list"),
    "dict": ("dict_type", "Input should be a valid dictionary"),
    "bytes": ("bytes_type", "Input should be bytes, as base64"),
}


def _append(first: Any, second: Any) -> Any:
    return [*(first if isinstance(first, list) else [first]),
            *(second if isinstance(second, list) else [second])]  # fmt: skip


_REDUCE: dict[str, Callable[[Any, Any], Any]] = {
    "last-write": lambda first, second: second,
    "append": _append,
    "max": max,
    "min": min,
}


def is_default_fit(spec: FieldSpec) -> bool:
    """Whether the declared default is of the declared type; null is, for every type."""
    try:
        return spec.default is None or _as_type("", spec.type, spec.default) is not None
    except Unfit:
        return False
