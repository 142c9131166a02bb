"""Arithmetic on text a model wrote: parsed, walked, and bounded in size; never executed."""

import ast
import math
import operator
from collections.abc import Callable

Number = int | float

MAX_CHARACTERS = 500
MAX_BITS = 4096  # of any intermediate integer, some 1,200 digits
MAX_DIGITS = 300  # that `round` keeps or drops
MAX_FACTORIAL = 450  # the largest whose result stays within MAX_BITS


class NotArithmetic(ValueError):
    """The text is no expression of this calculator, or its value is no ordinary number."""


def evaluate(expression: str) -> Number:
    """The value of `expression`: an exact integer, or a finite float. Raises `NotArithmetic`."""
    if len(expression) > MAX_CHARACTERS:
        raise NotArithmetic(f"the expression is longer than {MAX_CHARACTERS} characters")
    tree = _parsed(expression.strip())
    try:
        return _bounded(_value(tree.body))
    except ZeroDivisionError:
        raise NotArithmetic("division by zero") from None
    except OverflowError:
        raise NotArithmetic("the result is too large") from None
    except RecursionError:
        raise NotArithmetic("the expression is nested too deeply") from None


def _parsed(expression: str) -> ast.Expression:
    try:
        return ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise NotArithmetic("the expression cannot be parsed") from None


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _call(name, [_value(argument) for argument in arguments])
    raise NotArithmetic(_complaint(node))


def _complaint(node: ast.expr) -> str:
    match node:
        case ast.BinOp(op=ast.BitXor()):
            return "^ is not an operator here; use ** for powers"
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)) if name not in _FUNCTIONS:
            return f"{name[:40]} is not known; known are {', '.join((*_CONSTANTS, *_FUNCTIONS))}"
    return "only numbers, + - * / // % **, parentheses and functions of numbers are allowed"


def _call(name: str, arguments: list[Number]) -> Number:
    try:
        return _bounded(_FUNCTIONS[name](*arguments))
    except (TypeError, ValueError):
        raise NotArithmetic(f"{name} is not defined for these arguments") from None


def _bounded(value: object) -> Number:
    if isinstance(value, complex):
        raise NotArithmetic("the result is not a real number")
    if isinstance(value, float) and not math.isfinite(value):
        raise NotArithmetic("the result is not a finite number")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise OverflowError
    assert isinstance(value, int | float)
    return value


def _power(base: Number, exponent: Number) -> Number:
    # Checked beforehand: the bits of the result are about the bits of the base times the exponent.
    both_whole = isinstance(base, int) and isinstance(exponent, int)
    if both_whole and abs(base) > 1 and int(base).bit_length() * exponent > 2 * MAX_BITS:
        raise OverflowError
    result: Number = base**exponent
    return result


def _factorial(value: Number) -> int:
    if value > MAX_FACTORIAL:
        raise OverflowError
    return math.factorial(_whole(value))


def _choices(count: Callable[[int, int], int]) -> Callable[[Number, Number], int]:
    def bounded(total: Number, chosen: Number) -> int:
        if abs(total) > MAX_BITS:
            raise OverflowError
        return count(_whole(total), _whole(chosen))

    return bounded


def _whole(value: Number) -> int:
    if value != int(value):
        raise ValueError
    return int(value)


def _round(value: Number, digits: Number = 0) -> Number:
    if abs(digits) > MAX_DIGITS:
        raise OverflowError
    return round(value, _whole(digits)) if digits else round(value)


_CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "round": _round,
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "sum": lambda *values: sum(values),
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "sqrt": math.sqrt,
    "cbrt": math.cbrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "degrees": math.degrees,
    "radians": math.radians,
    "factorial": _factorial,
    "comb": _choices(math.comb),
    "perm": _choices(math.perm),
    "gcd": lambda *values: math.gcd(*map(_whole, values)),
    "lcm": lambda *values: math.lcm(*map(_whole, values)),
}
