"""Who is at the other end of the connection, before a proxy's headers tell on whose behalf."""

from typing import Any

from accounts.client_certificates import PEER


def remember_peer(application: Any) -> Any:
    """Keep the peer's address in the scope; what a proxy says replaces `client`."""

    async def remembering(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if client := scope.get("client"):
            scope = {**scope, PEER: client[0]}
        await application(scope, receive, send)

    return remembering
