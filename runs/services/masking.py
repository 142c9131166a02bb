"""Values of two runs made comparable: as JSON, with what always differs masked."""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import orjson

from runs.log.events import to_json

MASK = "<volatile>"

#: Keys whose values name one execution, not what it did.
_VOLATILE_KEYS = re.compile(r"(?:.*_)?(?:run_id|call_id|turn_id|ts|timestamp|duration_ms)|.*_at")
_VOLATILE_TEXT = re.compile(
    r"[0-7][0-9A-HJKMNP-TV-Z]{25}"  # a ULID
    r"|(?:cf-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"  # a time
)


class Masked:
    """Masks values, each once: the states of a run share what no step has changed.

    Containers that come out equal are the same object, so comparing two of them is asking who
    they are. 1, 1.0 and true are different, as in a log.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Entry] = {}  # by the id of the value
        self._same: dict[Hashable, Any] = {}  # by what it is made of

    def __call__(self, value: Any) -> Any:
        return self._entry(value)[1]

    def _entry(self, value: Any) -> "_Entry":
        entry = self._known.get(id(value))
        if entry is None:
            masked = self._masked(value)
            entry = self._known[id(value)] = (value, masked, _identity(masked))
        return entry

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return _VOLATILE_TEXT.sub(MASK, value)
        known = self._known  # looked up in place: long lists come back with every step
        if isinstance(value, Mapping):
            fields = {
                key: known.get(id(item)) or self._entry(item)
                for key, item in value.items()
                if not _VOLATILE_KEYS.fullmatch(key)
            }
            masked = {key: fields[key][1] if key in fields else MASK for key in value}
            made_of = [(key, fields[key][2] if key in fields else MASK) for key in value]
            return self._same.setdefault(("object", frozenset(made_of)), masked)
        if isinstance(value, list | tuple):
            entries = [known.get(id(item)) or self._entry(item) for item in value]
            items = tuple([entry[2] for entry in entries])
            return self._same.setdefault(("list", items), [entry[1] for entry in entries])
        return orjson.loads(to_json(value))


#: A value, which keeps its id from reuse; the value masked; what two equal ones have in common.
_Entry = tuple[Any, Any, Hashable]


def _identity(masked: Any) -> Hashable:
    kind = type(masked)
    if kind is dict or kind is list:
        return kind, id(masked)
    return kind, repr(masked) if kind is float else masked
