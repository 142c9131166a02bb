"""`/inspect/`: the pages for callers with a token or key, and the fragments both mounts load.

A browser with an admin's login is sent to the same pages inside the admin.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.models import User
from accounts.principals import Principal
from runs.inspector.access import inspects
from runs.inspector.badge import badge_of
from runs.inspector.detail import read_event, read_json, standing_of
from runs.inspector.pages import (
    ADMIN,
    INSPECT,
    answer_url,
    detail_context,
    list_context,
    read_after,
    read_seq,
)
from runs.inspector.timeline import WINDOW, Window, read_window
from runs.inspector.trace import read_trace
from runs.services.listing import find_run


@inspects
def run_list(request: HttpRequest, caller: Principal) -> HttpResponse:
    if _belongs_in_admin(request, caller):
        return _redirect(request, ADMIN.list_url)
    return render(request, "runs/run_list.html", list_context(caller, request, INSPECT))


@inspects
def run_detail(request: HttpRequest, caller: Principal, run_id: str) -> HttpResponse:
    if _belongs_in_admin(request, caller):
        find_run(caller, run_id)
        return _redirect(request, ADMIN.run_url(run_id))
    context = detail_context(caller, request, run_id, INSPECT)
    return render(request, "runs/run_detail.html", context)


@inspects
def event_fragment(request: HttpRequest, caller: Principal, run_id: str, seq: str) -> HttpResponse:
    """One event, as the right column shows it."""
    find_run(caller, run_id)
    event = read_event(run_id, read_seq(seq))
    return _fragment(request, "runs/_event.html", {"run_id": run_id, "event": event})


@inspects
def event_json(request: HttpRequest, caller: Principal, run_id: str, seq: str) -> HttpResponse:
    """The whole payload of one event, however long."""
    find_run(caller, run_id)
    text = read_json(run_id, read_seq(seq))
    return HttpResponse(text, content_type="application/json")


@inspects
def live_fragment(request: HttpRequest, caller: Principal, run_id: str) -> HttpResponse:
    """What has changed since the event `?after=`: new rows, totals, and the badge at the end."""
    run = find_run(caller, run_id)
    window = read_window(run_id, after=read_after(request.GET))
    context = {
        "run": run,
        "standing": standing_of(run),
        # While events keep coming, checking them all again with each would be quadratic.
        "badge": badge_of(run, however_long=False) if run.is_finished else None,
        "window": window,
        "trace": read_trace(run, is_live=True) if _moves(window) else None,
        "has_more": window.has_later,
        "window_size": WINDOW,
        "answer_url": answer_url(run) if _belongs_in_admin(request, caller) else "",
    }
    return _fragment(request, "runs/_live.html", context)


@inspects
def without_slash(request: HttpRequest, caller: Principal) -> HttpResponse:
    return _redirect(request, INSPECT.list_url)


def _fragment(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    response = render(request, template, context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _moves(window: Window) -> bool:
    """Whether the run may stand elsewhere in its graph than before these events."""
    return any(row.family in ("step", "human", "terminal") for row in window.rows)


def _belongs_in_admin(request: HttpRequest, caller: Principal) -> bool:
    user = request.user
    return caller.provider == "session" and isinstance(user, User) and user.is_staff


def _redirect(request: HttpRequest, url: str) -> HttpResponse:
    query = request.META.get("QUERY_STRING", "")
    return HttpResponseRedirect(f"{url}?{query}" if query else url)
