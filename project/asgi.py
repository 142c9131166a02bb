"""The ASGI application: HTTP through the thread pool, WebSockets natively."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from project.lib.quick_start import set_up_django

set_up_django()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path, re_path
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from chat.socket.consumer import converse
from project.asgi_handler import PooledHandler
from project.peers import remember_peer
from project.sockets import CHAT_WORDS, OriginCheck, answering_refusals, refuse_unknown_path
from runs.graph_api.socket import stream_run

socket_routes = [  # ASGI applications, as Channels routes them
    path("v1/runs/<str:run_id>/stream", answering_refusals(stream_run)),  # type: ignore[arg-type]
    path("ws", answering_refusals(converse, CHAT_WORDS)),  # type: ignore[arg-type]
    re_path(r"", refuse_unknown_path),  # type: ignore[arg-type]
]

http = PooledHandler()

application = ProtocolTypeRouter({"http": http, "websocket": OriginCheck(URLRouter(socket_routes))})
if settings.STARPORT_TRUSTED_PROXIES:
    application = remember_peer(
        ProxyHeadersMiddleware(application, settings.STARPORT_TRUSTED_PROXIES)
    )
