"""What the templates of the inbox are given."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts import capabilities
from accounts.names import name_actors
from accounts.principals import Principal
from project.lib.clock import now_ns, to_rfc3339
from runs.approvals.forms import AnswerForm
from runs.event_types import InputRequested, NodeFinished
from runs.inspector import formats
from runs.inspector.detail import read_facts
from runs.inspector.pages import ADMIN
from runs.inspector.payloads import SHOWN_CHARS, colour, decode_map, pretty
from runs.models import Event
from runs.services.approvals import (
    Approval,
    ApprovalFilter,
    Settled,
    list_approvals,
)
from runs.services.listing import find_run

PER_PAGE = 50
MAX_PAGE = 1_000_000
PROMPT_CHARS = 300  # of a question in the list
RESULTS = 3  # of the nodes that finished last


@dataclass(frozen=True, slots=True)
class Row:
    """A question in the list."""

    url: str
    run_id: str
    prompt: str
    source: str  # graph, and node where the graph has several
    started_by: str
    asked_at: str  # RFC 3339
    age: str
    deadline: str  # in words; "" when it waits for ever
    requested: str
    is_open: bool  # to whoever looks


@dataclass(frozen=True, slots=True)
class Json:
    """Something to read before one answers."""

    title: str
    html: SafeString


def list_context(caller: Principal, page: int) -> dict[str, Any]:
    page = min(page, MAX_PAGE)
    start = (page - 1) * PER_PAGE
    approvals, total = list_approvals(caller, ApprovalFilter(), limit=PER_PAGE, offset=start)
    names = name_actors({approval.started_by for approval in approvals})
    now = now_ns()
    return {
        "title": "Approvals",
        "rows": [_row(approval, caller, names, now) for approval in approvals],
        "total": total,
        "newer": page - 1 if page > 1 else None,
        "older": page + 1 if start + PER_PAGE < total else None,
    }


def _row(approval: Approval, caller: Principal, names: dict[str, str], now: int) -> Row:
    asked = approval.asked
    return Row(
        url=reverse("approval", args=[approval.run_id]),
        run_id=approval.run_id,
        prompt=asked.prompt[:PROMPT_CHARS],
        source=_source(approval.graph_id, asked),
        started_by=names[approval.started_by],
        asked_at=to_rfc3339(approval.requested_ns),
        age=formats.age((now - approval.requested_ns) // 1_000_000),
        deadline=_deadline(asked, now),
        requested=asked.requested_capability,
        is_open=approval.is_open_to(caller, now),
    )


def open_context(caller: Principal, approval: Approval, form: AnswerForm) -> dict[str, Any]:
    """A question that can be answered, if not by this caller."""
    now = now_ns()
    return {
        **_context(caller, approval.run_id, approval.asked, form),
        "seq": approval.seq,
        "age": formats.age((now - approval.requested_ns) // 1_000_000),
        "asked_at": to_rfc3339(approval.requested_ns),
        "deadline": _deadline(approval.asked, now),
        "is_overdue": approval.is_overdue(now),
        "is_open": approval.is_open_to(caller, now),
        "missing": _missing(approval, caller),
    }


def settled_context(
    caller: Principal, run_id: str, settled: Settled, form: AnswerForm
) -> dict[str, Any]:
    """A question that was settled before this caller could."""
    return {
        **_context(caller, run_id, settled.asked, form),
        "settled": _words(settled),
        "settled_at": to_rfc3339(settled.settled_ns),
    }


def _context(
    caller: Principal, run_id: str, asked: InputRequested, form: AnswerForm
) -> dict[str, Any]:
    facts = read_facts(find_run(caller, run_id))
    return {
        "title": "Approval",
        "run_id": run_id,
        "run_url": ADMIN.run_url(run_id) if settings.STARPORT_INSPECT else "",
        "asked": asked,
        "source": _source(facts.graph_id, asked),
        "facts": facts,
        "details": _details(asked, run_id),
        "schema": _coloured(asked.schema) if form.asked.is_json and asked.schema else "",
        "form": form,
    }


def _details(asked: InputRequested, run_id: str) -> list[Json]:
    """What the graph tells its human, and what its nodes put out last."""
    told = {
        name: value
        for name, value in (asked.interrupt_payload or {}).items()
        if name != "open_questions" or not isinstance(value, list)
    }
    details = [Json("What it tells you", _coloured(told))] if told else []
    return details + _latest_results(run_id)


def _latest_results(run_id: str) -> list[Json]:
    """Newest first. Payloads that are kept elsewhere are too long to be read here."""
    finished = Event.objects.filter(
        run_id=run_id, kind=NodeFinished.kind, payload__isnull=False
    ).order_by("-seq")
    results = []
    for payload in finished.values_list("payload", flat=True)[:RESULTS]:
        data = decode_map(bytes(payload or b""))
        results.append(Json(f"Result of {data['node_id']}", _coloured(data["output"])))
    return results


def _coloured(value: Any) -> SafeString:
    return colour(pretty(value)[:SHOWN_CHARS])


def _source(graph_id: str, asked: InputRequested) -> str:
    return f"{graph_id} · {asked.node_id}" if asked.node_id else graph_id


def _deadline(asked: InputRequested, now: int) -> str:
    if not asked.deadline_ns:
        return ""
    left = asked.deadline_ns - now
    when = "is over" if left <= 0 else f"ends in {formats.age(left // 1_000_000)}"
    goes_on = asked.on_timeout.partition(":")[2]
    return f"{when}; then {f'it goes on at {goes_on}' if goes_on else 'the run fails'}"


def _missing(approval: Approval, caller: Principal) -> str:
    """The capability for want of which the caller can only look."""
    if not caller.can(capabilities.RUNS_RESPOND):
        return capabilities.RUNS_RESPOND
    return "" if approval.is_for(caller) else approval.asked.requested_capability


def _words(settled: Settled) -> str:
    if settled.by_kind == "InputReceived":
        return f"{name_actors({settled.by_actor})[settled.by_actor]} has answered this already"
    if settled.by_kind == "InputTimedOut":
        return "The time to answer this is over"
    return "The run was cancelled" if settled.by_kind == "RunCancelled" else "The run has gone on"
