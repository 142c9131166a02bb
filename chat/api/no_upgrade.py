"""`/ws` over plain HTTP: a client that forgot to ask for a socket is told what is missing."""

from django.http import HttpRequest, HttpResponse

#: What makes a request a handshake, and what each header must say.
_HANDSHAKE = (
    ("Connection", "upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", ""),
)


def no_upgrade(request: HttpRequest) -> HttpResponse:
    for name, value in _HANDSHAKE:
        sent = request.headers.get(name, "").lower()
        if not sent or value not in sent:
            said = f"`{name}` header must say '{value}'" if value else f"`{name}` header is missing"
            return HttpResponse(said, status=400, content_type="text/plain; charset=utf-8")
    return HttpResponse(
        "WebSockets are not served here", status=400, content_type="text/plain; charset=utf-8"
    )
