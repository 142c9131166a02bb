"""The OpenAPI document of the whole product.

Each API describes what its operations take and answer. What every operation has in common (limits,
request ids, the refusals of the gate) is said here, once.
"""

from typing import Any

import orjson
from drf_spectacular.generators import SchemaGenerator

from project.middleware import RateLimits
from project.version import VERSION

_HEADERS: dict[str, dict[str, Any]] = {
    "X-RateLimit-Limit": {
        "description": "Requests in a window; absent when there are no limits",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {
        "description": "How many of them are left",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Reset": {
        "description": "The Unix second at which the next window begins",
        "schema": {"type": "integer"},
    },
    "X-Request-Id": {
        "description": "What the log says about this request carries it; a sane one sent is kept",
        "schema": {"type": "string"},
    },
    "X-Error-Code": {
        "description": "A stable word for programs, such as `run_not_found`",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds, at least 1",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "Which kind of credential is missing or wrong",
        "schema": {"type": "string"},
    },
}
_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")

# Whatever an operation does, a request can end so.
_ANYWHERE = {"500": "A defect of the server; its log has the request id"}
_LIMITED = {"429": "Too many requests, or too many wrong credentials"}
_BEHIND_THE_GATE = {"503": "Credentials cannot be checked or recorded now"}
_WITH_BODY = {"413": "The body is too large"}


def build_document() -> dict[str, Any]:
    """The document of every route that says what it answers."""
    document: dict[str, Any] = SchemaGenerator().get_schema(  # type: ignore[no-untyped-call]
        request=None, public=True
    )
    document["info"]["version"] = VERSION
    document["components"]["headers"] = _HEADERS
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def render_document(document: dict[str, Any]) -> bytes:
    """The same bytes for the same document, whatever order it was built in."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(document, option=options)


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    is_limited = not path.startswith(RateLimits.EXEMPT)
    answers = operation["responses"]
    common = {**_ANYWHERE}
    if "security" in operation:
        common |= _BEHIND_THE_GATE
    if is_limited:
        common |= _LIMITED
    if method in ("post", "put"):
        common |= _WITH_BODY
    for status, reason in common.items():
        answers.setdefault(status, _refusal(path, reason))
    for status, answer in answers.items():
        names = _headers_of(status, answer, is_limited=is_limited)
        references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        answer["headers"] = {**answer.get("headers", {}), **references}


def _refusal(path: str, reason: str) -> dict[str, Any]:
    shape = "ErrorBody"
    if path.startswith(("/v1/", "/hooks/")):
        shape = "Refusal"
    elif path.startswith("/openai/"):
        shape = "OpenAiError"
    schema = {"$ref": f"#/components/schemas/{shape}"}
    return {"description": reason, "content": {"application/json": {"schema": schema}}}


def _headers_of(status: str, answer: dict[str, Any], *, is_limited: bool) -> list[str]:
    names = ["X-Request-Id"]
    if is_limited:
        names += _LIMITS
    if int(status) >= 400:
        names.append("X-Error-Code")
    if status in ("429", "503"):
        names.append("Retry-After")
    if status == "401":
        names.append("WWW-Authenticate")
    return names
