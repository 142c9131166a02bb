"""An event in one line, as the contract words it."""

import pytest

from project.lib.clock import readable_duration
from runs.event_types import KIND_NUMBERS
from runs.inspector.formats import size
from runs.inspector.summaries import family_of, metric_note, summarize

LINES = [
    ("RunStarted", {"provider_id": "openai", "model_id": "gpt-4o"}, "model=openai/gpt-4o"),
    ("UserMessageAppended", {"content": " two\n\nlines\there "}, "two lines here"),
    ("UserMessageAppended", {"content": "x" * 61}, "x" * 59 + "…"),
    ("TurnStarted", {"turn_id": "01T"}, "turn=01T"),
    ("ToolCallScheduled", {"tool": "now", "call_id": "c"}, "tool=now call=c"),
    ("ToolCallCompleted", {"call_id": "c", "duration_ms": 7}, "call=c ok 7ms"),
    ("ToolCallFailed", {"call_id": "c", "error_type": "tool", "error": "no"}, "call=c tool err=no"),
    ("SideEffectRecorded", {"name": "now"}, "name=now"),
    ("BudgetExceeded", {"limit": "usd", "cap": 0.1, "actual": 0.2}, "budget=usd 0.2 of 0.1"),
    ("RunCompleted", {"turn_count": 2, "tool_call_count": 3}, "turns=2 tools=3"),
    ("RunFailed", {"error_type": "provider", "error": "gone"}, "provider: gone"),
    ("RunCancelled", {"reason": "context_canceled"}, "reason=context_canceled"),
    ("RunResumed", {"at_seq": 4, "pending_calls": 1}, "at=4 pending=1"),
    ("InputRequested", {"prompt": "May I?"}, "asks: May I?"),
    (
        "NodeStarted",
        {"step": 3, "path": "3:branch-0", "node_id": "draft", "node_kind": "llm"},
        "step 3 branch-0 draft (llm)",
    ),
    (
        "NodeFinished",
        {"step": 3, "path": "3", "node_id": "a", "output": {"x": 1, "y": 2}, "duration_ms": 7},
        "step 3 a ok 7ms wrote x, y",
    ),
    (
        "NodeFinished",
        {"step": 3, "path": "3", "node_id": "a", "output": {}, "reused": "recorded"},
        "step 3 a ok (recorded)",
    ),
    (
        "NodeFailed",
        {
            "step": 1,
            "path": "1",
            "node_id": "a",
            "duration_ms": 4,
            "error_type": "tool",
            "error": "no",
        },
        "step 1 a failed 4ms tool: no",
    ),
    (
        "StepCompleted",
        {"step": 2, "from_node": "a", "to_node": "b", "rule_id": "again", "reason": "goto"},
        "step 2 a → b by rule again",
    ),
    (
        "StepCompleted",
        {"step": 2, "from_node": "a", "to_node": "", "targets": ["b", "c"], "reason": "parallel"},
        "step 2 a → b, c",
    ),
    (
        "StepCompleted",
        {"step": 2, "from_node": "a", "to_node": "", "reason": "halt", "halt_reason": "enough"},
        "step 2 a → end: enough",
    ),
    (
        "BranchFinished",
        {"step": 1, "path": "1:branch-0", "branch_id": "branch-0", "outcome": "cancelled"},
        "step 1 branch-0 cancelled",
    ),
    ("RunSuspended", {"until_ns": 1_700_000_000 * 10**9}, "until 2023-11-14T22:13:20Z"),
    ("InputTimedOut", {"on_timeout": "goto:late"}, "nobody answered: goto:late"),
    (
        "ArtifactWritten",
        {
            "step": 4,
            "path": "4",
            "node_id": "keep",
            "name": "r.md",
            "content_type": "text/markdown",
            "size": 2048,
        },
        "step 4 keep r.md text/markdown 2 KiB",
    ),
    ("RunRewound", {"step": 2, "actor": "ada"}, "back to step 2 by=ada"),
    (
        "RunForked",
        {"parent_run_id": "01A", "step": 2, "node_id": "a", "actor": "ada"},
        "of 01A after step 2 a by=ada",
    ),
]


@pytest.mark.parametrize(("kind", "data", "line"), LINES)
def test_each_kind_has_its_line(kind, data, line):
    assert summarize(KIND_NUMBERS[kind], data) == line


@pytest.mark.parametrize("kind", KIND_NUMBERS)
def test_no_kind_stumbles_over_a_payload_without_its_fields(kind):
    summarize(KIND_NUMBERS[kind], {})
    summarize(KIND_NUMBERS[kind], {"content": 1, "text": [], "tool_uses": "x", "call_id": None})
    summarize(KIND_NUMBERS[kind], {"path": 3, "output": [], "targets": 1, "until_ns": "soon"})
    metric_note(KIND_NUMBERS[kind], {"input_tokens": "many", "cost_usd": None})

    assert family_of(KIND_NUMBERS[kind])


def test_an_unknown_kind_has_neither_line_nor_family():
    assert summarize(99, {"any": "thing"}) == ""
    assert family_of(99) == ""


def test_an_answer_is_noted_with_its_price_and_how_much_of_it_was_cached():
    data = {"cost_usd": 0.0024, "input_tokens": 1227, "output_tokens": 30}
    answered = KIND_NUMBERS["AssistantMessageCompleted"]

    assert metric_note(answered, data) == "$0.0024 · 1227 in / 30 out"
    cached = {**data, "input_tokens": 1000, "cache_read_tokens": 830}
    assert metric_note(answered, cached) == "$0.0024 · 1000 in / 30 out · cache 0.83"
    assert metric_note(KIND_NUMBERS["TurnStarted"], data) == ""


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_500, "1.5 s"),
        (61_000, "1 min 01 s"),
        (7_260_000, "2 h 1 min"),
    ],
)
def test_durations_are_short(milliseconds, text):
    assert readable_duration(milliseconds) == text


@pytest.mark.parametrize(("count", "text"), [(3, "3 B"), (65_536, "64 KiB"), (3 << 20, "3.0 MiB")])
def test_sizes_are_short(count, text):
    assert size(count) == text
