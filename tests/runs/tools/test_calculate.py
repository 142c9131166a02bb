import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.tools.arithmetic import NotArithmetic, evaluate
from runs.tools.base import ToolError
from runs.tools.builtin.calculate import calculate


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(3 + 4) * 2 ** 10", 7168),
        ("7 // 2 + 7 % 2 - -1", 5),
        ("1 / 4", 0.25),
        ("  2\n", 2),
        ("round(pi, 4)", 3.1416),
        ("round(2.5)", 2),
        ("sqrt(2) ** 2", 2.0000000000000004),
        ("max(1, 2, 3) + min(4, 5) + sum(1, 2)", 10),
        ("factorial(20)", 2432902008176640000),
        ("comb(5, 2) + gcd(12, 18) + lcm(4, 6)", 28),
        ("2 ** -1", 0.5),
        ("0 ** 0", 1),
        ("1_000 + 0x10", 1016),
        ("-" * 400 + "1", 1),
    ],
)
def test_it_evaluates(expression, value):
    assert evaluate(expression) == value


async def test_integers_beyond_64_bits_come_back_exactly_as_text(context):
    result = await calculate.execute({"expression": "2 ** 100"}, context)

    assert result == {"result": "1267650600228229401496703205376"}


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "cannot be parsed"),
        ("2 +", "cannot be parsed"),
        ("1; 2", "cannot be parsed"),
        ("x = 1", "cannot be parsed"),
        ("x", "x is not known"),
        ("exec('1')", "exec is not known"),
        ("__import__('os')", "__import__ is not known"),
        ("(1).__class__", "only numbers"),
        ("'a' * 3", "only numbers"),
        ("True + 1", "only numbers"),
        ("1j", "only numbers"),
        ("[1, 2]", "only numbers"),
        ("(lambda: 1)()", "only numbers"),
        ("1 if 2 else 3", "only numbers"),
        ("max(*[1])", "only numbers"),
        ("round(1.5, ndigits=1)", "only numbers"),
        ("2 ^ 3", r"use \*\* for powers"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("(-8) ** 0.5", "not a real number"),
        ("1e308 * 10", "not a finite number"),
        ("1e999", "not a finite number"),
        ("10.0 ** 400", "too large"),
        ("9 ** 9 ** 9", "too large"),
        ("2 ** 100000", "too large"),
        ("factorial(10 ** 6)", "too large"),
        ("comb(10 ** 9, 10 ** 8)", "too large"),
        ("round(5, -(10 ** 12))", "too large"),
        ("exp(10000)", "too large"),
        ("sqrt(-1)", "sqrt is not defined"),
        ("sqrt()", "sqrt is not defined"),
        ("factorial(2.5)", "factorial is not defined"),
        ("sqrt", "only numbers"),
        ("min()", "min is not defined"),
        ("(" * 240 + "1" + ")" * 240, "cannot be parsed"),
        ("1" * 501, "longer than 500"),
    ],
)
def test_nonsense_and_the_unbounded_are_refused_in_words(expression, complaint):
    with pytest.raises(NotArithmetic, match=complaint):
        evaluate(expression)


async def test_a_refusal_reaches_the_model_as_a_tool_error(context):
    with pytest.raises(ToolError, match="division by zero"):
        await calculate.execute({"expression": "1/0"}, context)


_PIECES = st.one_of(
    st.sampled_from("0123456789.+-*/%()^,[]= "),
    st.sampled_from(["**", "//", "1e308", "10**4096", "'a'", "lambda:", "__class__"]),
    st.sampled_from(["pi", "round", "factorial", "comb", "perm", "sqrt", "log", "max", "lcm"]),
)


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_any_text_gives_a_bounded_number_or_a_refusal(expression):
    try:
        value = evaluate(expression)
    except NotArithmetic:
        return

    assert isinstance(value, int | float)
    assert not isinstance(value, bool)
    assert math.isfinite(value) if isinstance(value, float) else value.bit_length() <= 4096


@given(st.text(alphabet=string.printable + "é²⁹𝟗\x00\ud800", max_size=60))
def test_any_characters_give_a_number_or_a_refusal(expression):
    try:
        value = evaluate(expression)
    except NotArithmetic:
        return

    assert isinstance(value, int | float)
