"""Our canonical encoder against cbor2's, on values nobody thought of."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.log.codec import (
    MAX_DEPTH,
    CodecError,
    check_canonical,
    decode,
    encode,
    json_to_value,
    to_log_value,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=True)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_it_encodes_every_value_as_the_reference_encoder_does(value):
    assert encode(value) == cbor2.dumps(value, canonical=True)


@given(VALUES)
def test_what_it_encodes_is_accepted_as_canonical(value):
    assert encode(check_canonical(encode(value))) == encode(value)


@pytest.mark.parametrize(
    ("hexadecimal", "what"),
    [
        ("a2616101616102", "duplicate keys"),
        ("a2616201616101", "unsorted keys"),
        ("9f01ff", "indefinite array"),
        ("1801", "a head longer than needed"),
        ("fb4000000000000000", "a double that fits a half"),
        ("c11a514b67b0", "a tag"),
        ("62c328", "invalid UTF-8"),
        ("0101", "data after the value"),
    ],
)
def test_it_refuses_what_is_not_canonical(hexadecimal, what):
    with pytest.raises(CodecError):
        check_canonical(bytes.fromhex(hexadecimal))


def test_it_refuses_to_write_what_could_not_be_read_back():
    deep: object = 1
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]

    with pytest.raises(CodecError):
        encode(deep)


@pytest.mark.parametrize("value", [2**64, -(2**64) - 1, {1: 2}, object(), {1, 2}])
def test_it_refuses_values_without_a_place_in_a_log(value):
    with pytest.raises(CodecError):
        encode(value)


def test_integers_beyond_int64_become_floats_on_their_way_in():
    assert json_to_value("18446744073709551616") == 2.0**64
    assert json_to_value("-" + "9" * 5000) == float("-inf")
    assert to_log_value({"n": 2**70, "m": [1, 2**63]}) == {"n": 2.0**70, "m": [1, 2.0**63]}


@pytest.mark.parametrize("text", ["{", "NaN", "[1,]", "1 2", "Infinity"])
def test_malformed_json_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        json_to_value(text)


def test_decoding_garbage_is_an_error_of_ours():
    with pytest.raises(CodecError):
        decode(b"\xff\xff")
