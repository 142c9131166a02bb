"""Turning pydantic's JSON Schema into ours: plain, closed, and the same bytes on every build.

Models read these schemas and logs keep their hashes, so nothing in them may depend on the order
of a dict, the name of a class or the version of a library.
"""

from typing import Any

#: Written first, in this order; every other keyword follows alphabetically.
_FIRST = ("type", "description", "enum", "items", "properties", "required", "additionalProperties")
_CHILDREN = ("anyOf", "oneOf", "allOf", "prefixItems")
_NULL = {"type": "null"}


class UnsupportedSchema(TypeError):
    """The type has no schema a model could fill in, such as a recursive one."""


def tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """References inlined, titles dropped, objects closed, keys in a fixed order."""
    tidied: dict[str, Any] = _tidy(schema, schema.get("$defs", {}), ())
    return tidied


def _tidy(node: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...]) -> Any:
    node, path = _inlined(node, definitions, path)
    node = {key: value for key, value in node.items() if key not in ("$defs", "title")}
    if "properties" in node:
        _close(node, definitions, path)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = _tidy(node[key], definitions, path)
    for key in _CHILDREN:
        if key in node:
            node[key] = [_tidy(child, definitions, path) for child in node[key]]
    return _ordered(node)


def _inlined(
    node: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    while "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        if name in path:
            raise UnsupportedSchema(f"the type {name} contains itself")
        path = (*path, name)
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        node = {**definitions[name], **siblings}
    return node, path


def _close(node: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...]) -> None:
    required = set(node.get("required", ()))
    node["properties"] = {
        name: _tidy(child if name in required else _without_null_default(child), definitions, path)
        for name, child in sorted(node["properties"].items())
    }
    node["required"] = sorted(required)
    if not required:
        del node["required"]
    node["additionalProperties"] = False


def _without_null_default(node: dict[str, Any]) -> dict[str, Any]:
    """`X | None = None` as plain `X`: a model leaves out what it does not want to say."""
    options = node.get("anyOf", [])
    if node.get("default", ...) is not None or _NULL not in options:
        return node
    rest = [option for option in options if option != _NULL]
    outer = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
    return {**rest[0], **outer} if len(rest) == 1 else {**outer, "anyOf": rest}


def _ordered(node: dict[str, Any]) -> dict[str, Any]:
    first = {key: node[key] for key in _FIRST if key in node}
    return first | {key: node[key] for key in sorted(node) if key not in first}
