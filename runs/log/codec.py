"""Canonical CBOR (RFC 8949 §4.2.1, core deterministic encoding), written for the append path.

`cbor2.dumps(canonical=True)` produces the same bytes for every value a log may hold and is the
oracle in the tests; it costs three times as much per event because it re-sorts keys that each
payload class already knows in order. Decoding is cbor2's, with the strictness the log promises.
"""

import json
import math
import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import cbor2

MAX_DEPTH = 32  # what strict decoders of this format accept; deeper values are refused at write
MAX_ITEMS = 131_072

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class CodecError(ValueError):
    """The value has no canonical form, or the bytes are not in canonical form."""


class Preencoded(list[Any]):
    """A list that is part of many events: encoded once, embedded verbatim. Never changed."""

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(items)
        self.encoded = encode(list(items))


_SMALL = [bytes((value,)) for value in range(256)]
_HEAD_16, _HEAD_32, _HEAD_64 = (struct.Struct(f">B{size}").pack for size in "HIQ")


def encode_head(major: int, value: int) -> bytes:
    """The shortest head for `value` in major type `major` (0–7)."""
    major <<= 5
    if value < 24:
        return _SMALL[major | value]
    if value < 0x100:
        return bytes((major | 24, value))
    if value < 0x1_0000:
        return _HEAD_16(major | 25, value)
    if value < 0x1_0000_0000:
        return _HEAD_32(major | 26, value)
    return _HEAD_64(major | 27, value)


def _to_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Lone surrogates have no UTF-8 form; JSON can spell them, so replace rather than refuse.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def encode_text(text: str) -> bytes:
    data = _to_utf8(text)
    size = len(data)
    return (_SMALL[0x60 | size] if size < 24 else encode_head(3, size)) + data


def field_encoder(name: str, *, is_text: bool) -> Callable[[Any], bytes]:
    """An encoder of the map entry `name`: key and value in one call.

    Text is what most fields are; for short text, key and head come out of one table.
    """
    key = encode_text(name)
    if not is_text:
        small = [key + _SMALL[value] for value in range(24)]

        def encode_other(value: Any) -> bytes:
            if type(value) is int and 0 <= value < 24:
                return small[value]
            return key + encode(value)

        return encode_other
    heads = [key + encode_head(3, size) for size in range(256)]

    def encode_entry(value: str) -> bytes:
        data = _to_utf8(value)
        size = len(data)
        return (heads[size] if size < 256 else key + encode_head(3, size)) + data

    return encode_entry


def encode_float(value: float) -> bytes:
    """The shortest of half, single and double that keeps `value`; never an integer."""
    if value == 0.0:
        return b"\xf9\x80\x00" if math.copysign(1.0, value) < 0 else b"\xf9\x00\x00"
    if value != value:
        return b"\xf9\x7e\x00"
    try:
        half = struct.pack(">e", value)
        if struct.unpack(">e", half)[0] == value:
            return b"\xf9" + half
    except OverflowError:
        pass
    try:
        single: bytes = struct.pack(">f", value)
        if struct.unpack(">f", single)[0] == value:
            return b"\xfa" + single
    except OverflowError:
        pass
    return b"\xfb" + struct.pack(">d", value)


def encode(value: Any, depth: int = 0) -> bytes:
    """Canonical CBOR of a JSON-like value; bytes are allowed, map keys must be text.

    Raises `CodecError` for other types, integers beyond 64 bits and nesting beyond `MAX_DEPTH`.
    """
    kind = type(value)
    if kind is str:
        return encode_text(value)
    if kind is int:
        if value >= 0:
            if value < 24:
                small: bytes = _SMALL[value]
                return small
            if value <= 0xFFFF_FFFF_FFFF_FFFF:
                return encode_head(0, value)
        elif value >= -0x1_0000_0000_0000_0000:
            return encode_head(1, -1 - value)
        raise CodecError("integer beyond 64 bits")
    if value is None:
        return b"\xf6"
    if kind is bool:
        return b"\xf5" if value else b"\xf4"
    if kind is float:
        return encode_float(value)
    if kind is bytes:
        data: bytes = value
        return encode_head(2, len(data)) + data
    if depth >= MAX_DEPTH:
        raise CodecError(f"nested deeper than {MAX_DEPTH}")
    if kind is dict:
        if len(value) > MAX_ITEMS:
            raise CodecError(f"map above {MAX_ITEMS} entries")
        pairs = []
        for key, item in value.items():
            if type(key) is not str:
                raise CodecError("map keys must be text")
            pairs.append((encode_text(key), encode(item, depth + 1)))
        pairs.sort()
        for (first, _), (second, _) in pairwise(pairs):
            if first == second:
                raise CodecError("two keys of a map encode alike")
        return encode_head(5, len(pairs)) + b"".join([k + v for k, v in pairs])
    if kind is list or kind is tuple:
        if len(value) > MAX_ITEMS:
            raise CodecError(f"array above {MAX_ITEMS} entries")
        return encode_head(4, len(value)) + b"".join([encode(v, depth + 1) for v in value])
    if kind is Preencoded:
        encoded: bytes = value.encoded
        return encoded
    raise CodecError(f"{kind.__name__} has no place in a log")


def decode(data: bytes) -> Any:
    """Decode without proving canonical form; `check_canonical` does that."""
    try:
        return cbor2.loads(data)
    except Exception as error:  # cbor2 raises its own, Unicode and recursion errors alike
        raise CodecError(f"not CBOR: {type(error).__name__}") from None


def check_canonical(data: bytes) -> Any:
    """Decode `data` and refuse anything its value would not encode to again.

    That rejects duplicate keys, indefinite lengths, long heads, tags and unsorted maps at once.
    """
    value = decode(data)
    if encode(value) != data:
        raise CodecError("not in canonical form")
    return value


def json_to_value(text: str) -> Any:
    """Parse JSON the way the log stores it: numbers stay exact or become floats.

    A literal that is an integer within int64 is an int; `2.0`, `1e3` and anything larger are
    floats. Empty text is an empty object. Raises `ValueError` on malformed JSON.
    """
    if not text.strip():
        return {}
    value = json.loads(text, parse_int=_parse_int, parse_constant=_refuse_constant)
    # An escape may spell what no UTF-8 can hold; all who read the value must see what is recorded.
    return to_log_value(value) if "\\u" in text else value


def to_log_value(value: Any) -> Any:
    """Bring a Python value into the log's value space, as `json_to_value` would have made it."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _to_utf8(value).decode()
    if kind is int and not _INT64_MIN <= value <= _INT64_MAX:
        return float(value)
    if kind is dict:
        return {to_log_value(str(key)): to_log_value(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [to_log_value(item) for item in value]
    return value


def _parse_int(literal: str) -> int | float:
    # Python refuses to parse integers of thousands of digits; those are infinite as floats anyway.
    if len(literal) > 20:
        return float(literal)
    number = int(literal)
    return number if _INT64_MIN <= number <= _INT64_MAX else float(number)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
