"""The inbox in the admin: what waits for a human, and the page on which it is answered."""

from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts import capabilities
from accounts.errors import CapabilityDenied
from accounts.permissions import admit
from accounts.principals import Principal
from runs.approvals.forms import AnswerForm
from runs.approvals.pages import list_context, open_context, settled_context
from runs.errors import DeadlinePassed, InvalidInput, RunNotFound, RunNotWaiting
from runs.services.approvals import Approval, find_approval, find_settled
from runs.services.lifecycle import respond


@require_safe
def approval_list(request: HttpRequest) -> HttpResponse:
    caller = admit(request, capabilities.RUNS_READ)
    page = max(1, _number(request.GET.get("page", "")))
    return _render(request, "approvals/list.html", list_context(caller, page))


@require_http_methods(["GET", "HEAD", "POST"])
def approval_detail(request: HttpRequest, run_id: str) -> HttpResponse:
    is_answer = request.method == "POST"
    caller = admit(request, capabilities.RUNS_RESPOND if is_answer else capabilities.RUNS_READ)
    try:
        approval = find_approval(caller, run_id)
    except RunNotFound as error:
        raise Http404(str(error)) from error
    if not is_answer:
        if approval is None:
            return _settled(request, caller, run_id)
        return _open(request, caller, approval, AnswerForm(approval.asked))
    if approval is None or approval.seq != _number(request.POST.get("seq", "")):
        return _settled(request, caller, run_id)
    return _answer(request, caller, approval)


def _answer(request: HttpRequest, caller: Principal, approval: Approval) -> HttpResponse:
    form = AnswerForm(approval.asked, request.POST)
    if not form.is_valid():
        return _open(request, caller, approval, form)
    try:
        respond(
            run_id=approval.run_id,
            response=form.response,
            caller=caller,
            request_seq=approval.seq,
        )
    except InvalidInput as error:
        form.add_refusal(str(error))
        return _open(request, caller, approval, form)
    except RunNotWaiting:
        return _settled(request, caller, approval.run_id)
    except DeadlinePassed:
        return _open(request, caller, approval, form, status=409)
    except CapabilityDenied:
        return _open(request, caller, approval, form, status=403)
    messages.success(request, f"Answered. Run {approval.run_id} goes on.")
    return HttpResponseRedirect(reverse("approvals"))


def _open(
    request: HttpRequest,
    caller: Principal,
    approval: Approval,
    form: AnswerForm,
    *,
    status: int = 200,
) -> HttpResponse:
    context = open_context(caller, approval, form)
    return _render(request, "approvals/detail.html", context, status=status)


def _settled(request: HttpRequest, caller: Principal, run_id: str) -> HttpResponse:
    """The question that was meant, what became of it, and the answer that came too late."""
    is_answer = request.method == "POST"
    seq = _number(request.POST.get("seq", "")) if is_answer else 0
    settled = find_settled(run_id, seq if seq > 0 else None)
    if settled is None:
        raise Http404(f"run {run_id} has asked nothing")
    form = AnswerForm(settled.asked, request.POST if is_answer else None)
    context = settled_context(caller, run_id, settled, form)
    context["is_late"] = is_answer
    context["asks_again"] = find_approval(caller, run_id) is not None
    return _render(request, "approvals/detail.html", context, status=409 if is_answer else 200)


def _render(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    surroundings = admin.site.each_context(request)
    return render(request, template, {**surroundings, **context}, status=status)


def _number(text: str) -> int:
    """0 for what is none, or none that anything here could have."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
