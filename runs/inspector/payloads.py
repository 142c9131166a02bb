"""Payloads for reading: pretty JSON, coloured and escaped here, cut where it gets long."""

from dataclasses import dataclass
from typing import Any

import orjson
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight  # type: ignore[import-untyped]  # it comes without types
from pygments.formatters.html import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers.data import JsonLexer, YamlLexer  # type: ignore[import-untyped]

from runs.log.codec import CodecError, decode
from runs.log.events import to_json

SHOWN_CHARS = 32_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload on a page. `html` is escaped; `size` is that of the whole."""

    html: SafeString
    size: int  # characters of pretty JSON
    is_cut: bool
    complaint: str = ""  # why it is not JSON


def show(payload: bytes) -> Shown:
    """The beginning of a payload as coloured JSON, or as hex when it cannot be decoded."""
    try:
        text = pretty(decode_map(payload))
    except (CodecError, TypeError) as error:
        digits = payload[: SHOWN_CHARS // 2].hex(" ", 16)
        shown = mark_safe(escape(digits))  # noqa: S308 - hex digits
        return Shown(shown, len(payload), len(payload) * 2 > SHOWN_CHARS, str(error))
    cut = text[:SHOWN_CHARS]
    return Shown(colour(cut), len(text), len(cut) < len(text))


def decode_map(payload: bytes) -> dict[str, Any]:
    """Raises `CodecError` for bytes that are not a CBOR map, as only tampering leaves them."""
    value = decode(payload)
    if not isinstance(value, dict):
        raise CodecError("not a map")
    return value


def pretty(data: Any) -> str:
    """JSON with two spaces. Raises `TypeError` for what no writer of ours puts into a log."""
    return orjson.dumps(orjson.loads(to_json(data)), option=orjson.OPT_INDENT_2).decode()


def colour(text: str) -> SafeString:
    """JSON, whole or cut, as escaped HTML whose parts carry the classes of Pygments."""
    return _highlight(text, _JSON)


def colour_yaml(text: str) -> SafeString:
    return _highlight(text, _YAML)


def _highlight(text: str, lexer: JsonLexer | YamlLexer) -> SafeString:
    html: str = highlight(text, lexer, _FORMATTER)
    return mark_safe(html.rstrip("\n"))  # noqa: S308 - Pygments escapes


_JSON = JsonLexer(ensurenl=False)
_YAML = YamlLexer(ensurenl=False)
_FORMATTER = HtmlFormatter(nowrap=True)
