"""A graph run goes on from wherever its log was cut off, and nothing is done a second time."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from accounts.principals import DAEMON
from project.lib.pool import in_database_thread
from runs.engine.graph.state import GraphState
from runs.graphs.registry import get_version
from runs.log.events import StoredEvent
from runs.log.rebuild import rebuild_run
from runs.models import ArtifactRef, Event, ExternalPayload, Run
from runs.services.lifecycle import respond
from runs.tools.base import Tool, ToolContext

pytestmark = pytest.mark.django_db(transaction=True)

#: Runs that are cut off side by side; each takes every so many-th boundary.
RUNS = 6
OBJECT = {"type": "object", "properties": {}, "additionalProperties": False}
SCRIPT = "!tool charge {}\n!tool store {}\n!turn\n!tool store {}\n!turn\n!say settled"

INNER = {
    "ir_version": "1.1.0",
    "id": "inner",
    "nodes": [
        {"id": "bad", "kind": "llm", "config": {"prompt": "!fail auth"}},
        {"id": "stop", "kind": "halt"},
        {"id": "sorry", "kind": "template", "config": {"template": "sorry {{ goal }}", "out": "x"}},
    ],
    "rules": [
        {
            "id": "again",
            "when": "attempts < 2",
            "after": "failure",
            "then": [{"kind": "retry", "target": "bad", "backoff_ms": 40}],
        },
        {
            "id": "enough",
            "when": "attempts >= 2",
            "after": "failure",
            "then": [{"kind": "goto", "target": "sorry"}],
        },
    ],
}

EVERYTHING = {
    "ir_version": "1.1.0",
    "id": "everything",
    "nodes": [
        {"id": "begin", "kind": "template", "config": {"template": "{goal}", "out": "begun"}},
        {
            "id": "clerk",
            "kind": "agent",
            "config": {
                "prompt": "{% raw %}" + SCRIPT + "{% endraw %}",
                "tools": ["charge", "store"],
                "out": "clerk",
            },
        },
        {"id": "poet", "kind": "llm", "config": {"prompt": "!say a poem", "out": "poem"}},
        {
            "id": "each",
            "kind": "map",
            "config": {
                "over": "words",
                "as": "word",
                "out": "loud",
                "max_parallel": 2,
                "node": {"kind": "llm", "config": {"prompt": "!say {{ word | upper }}"}},
            },
        },
        {
            "id": "sub",
            "kind": "subgraph",
            "config": {"graph": "inner", "inputs": {"goal": "goal"}, "outputs": {"inner": "x"}},
        },
        {"id": "nap", "kind": "sleep", "config": {"seconds": 0.05}},
        {
            "id": "gate",
            "kind": "interrupt",
            "config": {"prompt": "Pay?", "output_field": "review"},
        },
        {"id": "pay", "kind": "tool", "config": {"tool": "charge", "out": "receipt"}},
        {
            "id": "keep",
            "kind": "write_artifact",
            "config": {"content_field": "poem", "name": "poem.txt", "content_type": "text/plain"},
        },
        {"id": "end", "kind": "template", "config": {"template": "{poem}, paid", "out": "answer"}},
    ],
    "rules": [
        {
            "id": "fan-out",
            "when": {"node": "begin"},
            "then": [{"kind": "parallel", "targets": ["clerk", "poet"], "join": "each"}],
        },
        {
            "id": "unknown",
            "when": "error_type == 'interrupted'",
            "node_id": "pay",
            "after": "failure",
            "then": [{"kind": "goto", "target": "keep"}],
        },
    ],
    "state_schema": {"words": "list"},
}


class Ledger:
    """Two tools with effects, and how often each call of theirs was executed."""

    def __init__(self) -> None:
        self.executed: Counter[str] = Counter()
        self.tools = [
            Tool(
                name, name, OBJECT, self._execute, namespace="tests",
                idempotent=idempotent, side_effects="external",
            )
            for name, idempotent in (("charge", False), ("store", True))
        ]  # fmt: skip

    async def _execute(self, arguments: dict[str, Any], context: ToolContext) -> Any:
        self.executed[context.idempotency_key] += 1
        await asyncio.sleep(0)
        return "booked"


def cut(run_id: str, length: int) -> None:
    """Leave the first events of a log, as a crash right after them would have."""
    Event.objects.filter(run_id=run_id, seq__gt=length).delete()
    ExternalPayload.objects.filter(run_id=run_id, seq__gt=length).delete()
    rebuild_run(run_id)


async def go_on(harness, run_id: str) -> Run:
    """Answer when asked, until the end."""
    while True:
        run: Run = await harness.until(
            run_id, lambda run: run.is_finished or run.status == "awaiting-input"
        )
        if run.is_finished:
            return run
        answer = {"decision": "approve"}
        await in_database_thread(respond, run_id=run_id, response=answer, caller=DAEMON)


async def final_state(run: Run, events: list[StoredEvent]) -> dict[str, Any]:
    graph = await in_database_thread(get_version, run.graph_id, run.graph_hash)
    state = GraphState(graph)
    for event in events:
        state.apply(event.typed(), event.ts)
    return state.state


def repeated(events: list[StoredEvent]) -> list[tuple[str, ...]]:
    """Executions and steps that have more than one outcome."""
    outcomes: Counter[tuple[str, ...]] = Counter()
    for event in events:
        match event.kind_name:
            case "NodeFinished" | "NodeFailed" | "BranchFinished":
                outcomes[event.kind_name, event.data["path"]] += 1
            case "StepCompleted" if not event.data.get("path"):
                outcomes[event.kind_name, str(event.data["step"])] += 1
            case "ToolCallCompleted" | "ToolCallFailed":
                outcomes["call", event.data["call_id"]] += 1
            case "InputReceived":
                outcomes[event.kind_name, event.data["path"]] += 1
    return [key for key, count in outcomes.items() if count > 1]


def scheduled(events: list[StoredEvent], tool: str) -> set[str]:
    return {
        event.data["call_id"]
        for event in events
        if event.kind_name == "ToolCallScheduled" and event.data["tool"] == tool
    }


async def test_a_log_cut_off_at_any_event_leads_to_the_same_end(harness, register_tool):
    ledger = Ledger()
    for tool in ledger.tools:
        register_tool(tool)
    harness.add_document(INNER)
    harness.add_document(EVERYTHING)
    inputs = {"words": ["a", "b", "c"]}
    ids = [await harness.submit("go", graph_id="everything", inputs=inputs) for _ in range(RUNS)]
    for run_id in ids:
        run = await go_on(harness, run_id)
        assert (run.status, run.error) == ("done", "")
    recorded = [await harness.events(run_id) for run_id in ids]
    expected = await final_state(await harness.get(ids[0]), recorded[0])
    assert expected["answer"] == "a poem, paid"

    for shorter in range(0, max(map(len, recorded)), RUNS):
        # Longest first: what is left is always a beginning of the log as it was recorded.
        lengths = [len(log) - shorter - 1 - number for number, log in enumerate(recorded)]
        cases = [case for case in zip(ids, recorded, lengths, strict=True) if case[2] >= 0]
        await harness.crash()
        for run_id, _, length in cases:
            await in_database_thread(cut, run_id, length)
        ledger.executed.clear()

        await harness.start_engine()
        for run_id, log, length in cases:
            run = await go_on(harness, run_id)
            events, kept = await harness.events(run_id), log[:length]

            where = f"cut after {length}: {[event.kind_name for event in kept[-3:]]}"
            assert (run.status, run.error) == ("done", ""), where
            assert [event.hash for event in events[:length]] == [event.hash for event in kept]
            assert repeated(events) == [], where
            assert (await harness.validate(run_id)).is_valid, where
            calls = ledger.executed.copy()
            report = await harness.replay(run_id)
            assert report.is_clean, (where, report.divergence)
            assert report.compared > 0 and ledger.executed == calls, where
            state = await final_state(run, events)
            assert state == expected or state == without_receipt(expected), where
            if state != expected:  # only where the charge was under way
                assert kept[-1].kind_name in ("ToolCallScheduled", "ToolCallFailed"), where
            for call_id in scheduled(kept, "charge"):
                assert ledger.executed[f"{run_id}:{call_id}"] == 0, where
        assert set(ledger.executed.values()) <= {1}
    refs = await in_database_thread(lambda: ArtifactRef.objects.filter(run_id__in=ids).count())
    assert refs == RUNS


def without_receipt(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "receipt"}
