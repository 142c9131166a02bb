"""ASGI scopes as a server makes them."""

from typing import Any


def http_scope(*, path: str = "/stream", query: str = "", **headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
        "headers": [(b"host", b"localhost:8080"), *_encoded(headers)],
    }


def socket_scope(**parts: str) -> dict[str, Any]:
    scope = http_scope(**parts)
    del scope["method"]
    return {**scope, "type": "websocket"}


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
    ]
