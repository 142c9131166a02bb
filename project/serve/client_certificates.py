"""Uvicorn's protocols, telling the application which certificate the client showed.

In the words of the ASGI TLS extension, as far as anybody here asks.
"""

import asyncio
from ssl import DER_cert_to_PEM_cert
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from project.serve.message_limits import LimitedWebSocket


class HttpProtocol(HttpToolsProtocol):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._tls = _tls_extension(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"tls": self._tls}


class WebSocketProtocol(LimitedWebSocket):
    async def run_asgi(self) -> None:
        self.scope["extensions"] = {
            **(self.scope.get("extensions") or {}),
            "tls": _tls_extension(self.transport),
        }
        await super().run_asgi()


def _tls_extension(transport: asyncio.BaseTransport) -> dict[object, object]:
    connection = transport.get_extra_info("ssl_object")
    certificate = connection.getpeercert(binary_form=True) if connection else None
    return {"client_cert_chain": [DER_cert_to_PEM_cert(certificate)] if certificate else []}
