"""Whoever looks for a kind of record in the admin can choose every kind that is recorded."""

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from accounts.audit.records import KINDS

#: `record` and those that wrap it; `_store` of API keys hands its kind on.
_RECORDERS = {"record", "record_decision", "_record", "_audit", "_store"}


def literals(expression: ast.expr) -> Iterator[str]:
    """The strings that an argument can be, as far as the source tells."""
    if isinstance(expression, ast.IfExp):
        yield from literals(expression.body)
        yield from literals(expression.orelse)
    elif isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield expression.value


def recorded_kinds(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in _RECORDERS:
            by_name = [word.value for word in node.keywords if word.arg == "kind"]
            places = node.args if name == "_store" else node.args[:1]
            for expression in [*places, *by_name]:
                yield from literals(expression)


def test_every_kind_that_is_recorded_is_listed():
    recorded = {
        kind
        for app in ("accounts", "chat", "runs", "project")
        for path in sorted((settings.BASE_DIR / app).rglob("*.py"))
        for kind in recorded_kinds(path)
    }

    assert {"runs_pruned", "auth_failed", "api_key_issued", "lifecycle_cancel"} <= recorded
    assert recorded - set(KINDS) == set()


def test_the_kinds_are_in_order_and_named_once():
    assert list(KINDS) == sorted(set(KINDS))
