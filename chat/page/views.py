"""The chat page. The server renders it whole; `static/js/chat.js` enlivens it."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from accounts import capabilities
from accounts.authentication import authenticate_http
from accounts.errors import AuthenticationError, CapabilityDenied
from accounts.permissions import authorize
from accounts.principals import Principal
from accounts.profiles import PROFILES
from chat.errors import SessionNotFound
from chat.live_settings import current
from chat.live_settings.groups import Attachments, Frontend, General
from chat.models import Session
from chat.models.sessions import sees_all_sessions
from chat.page.conversation import grouped, items_of, under_way
from chat.services.posting import allowed_models
from chat.services.sessions import PSEUDO_OWNERS, find_session, owner_of
from chat.services.transcripts import transcript_of

LISTED = 100


@require_safe
@ensure_csrf_cookie
def chat_page(request: HttpRequest, session_id: UUID | None = None) -> HttpResponse:
    """A new conversation, or the one that is named."""
    if PROFILES[settings.STARPORT_PROFILE].default_deny:
        return redirect(reverse("inspect-list"))  # no login opens the API there
    try:
        caller = authenticate_http(request)
    except AuthenticationError:
        return redirect_to_login(request.get_full_path(), reverse("login"))
    try:
        authorize(caller, capabilities.CHAT_USE, route=request.path)
    except CapabilityDenied:
        return render(request, "chat/not_allowed.html", {"caller": caller}, status=403)
    session = _session(caller, session_id)
    context = {**_frame(caller, session), **_conversation(caller, session)}
    return render(request, "chat/page.html", context)


@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """The list alone, for a page that is open already."""
    caller = authenticate_http(request)
    authorize(caller, capabilities.CHAT_USE, route=request.path)
    open_id = request.GET.get("open", "")
    return render(request, "chat/_sessions.html", {**_sessions(caller), "open_id": open_id})


def is_page_path(request: HttpRequest) -> bool:
    """Whether a browser that asks for an unknown path is to get the chat page."""
    first = request.path_info.strip("/").partition("/")[0]
    return (
        request.method in ("GET", "HEAD")
        and first not in _ELSEWHERE
        and "." not in request.path_info
        and "text/html" in request.headers.get("Accept", "")
    )


#: Where other surfaces say themselves that there is no such path.
_ELSEWHERE = frozenset(
    {
        *("admin", "api", "chat", "docs", "health", "hooks", "inspect"),
        *("metrics", "openai", "static", "v1", "ws"),
    }
)


def _session(caller: Principal, session_id: UUID | None) -> Session | None:
    if session_id is None:
        return None
    try:
        return find_session(caller, str(session_id))
    except SessionNotFound as error:
        raise Http404 from error


def _frame(caller: Principal, session: Session | None) -> dict[str, Any]:
    general, files = current(General), current(Attachments)
    return {
        "caller": caller,
        "is_admin": caller.role == "admin",
        "agent_name": general.agent_name,
        "models": allowed_models(),
        "files": files,
        "accepted_files": ",".join(f".{name}" for name in files.allowed_extensions),
        "frontend": current(Frontend),
        "open_id": session.pk if session is not None else "",
        **_sessions(caller),
    }


def _conversation(caller: Principal, session: Session | None) -> dict[str, Any]:
    if session is None:
        return {"session": None, "items": [], "under_way": None, "may_write": True}
    going_on = under_way(session)  # first: what is said meanwhile comes as frames, not twice
    return {
        "session": session,
        "items": items_of(transcript_of(session)),
        "under_way": going_on,
        # What is said goes to a session of whoever says it, so only one's own goes on.
        "may_write": not session.is_closed and session.owner == owner_of(caller),
    }


def _sessions(caller: Principal) -> dict[str, Any]:
    """The caller's own conversations, and those of the assistant for who sees everybody's."""
    zone = ZoneInfo(current(General).timezone or "UTC")
    owners = [owner_of(caller)]
    if sees_all_sessions(caller):
        owners += PSEUDO_OWNERS
    listed = Session.objects.filter(owner__in=owners).listed()[:LISTED]
    return {"groups": grouped(listed, timezone.now(), zone)}
