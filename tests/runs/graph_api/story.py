"""A run of a graph in which everything happens that a stream can tell of."""

from runs.event_types import (
    ArtifactWritten,
    BranchFinished,
    BranchStarted,
    InputReceived,
    InputRequested,
    InputTimedOut,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Payload,
    RunForked,
    RunPaused,
    RunRewound,
    RunStarted,
    RunUnpaused,
    StepCompleted,
    ToolCallCompleted,
    ToolCallScheduled,
    TurnStarted,
)

RESPONSE = {"decision": "approve", "comment": "LGTM"}
#: SHA-256 of its RFC 8785 form.
RESPONSE_HASH = "3f327fd2f79f10c01ef7bd914f9ad80b3d0e56f3c468f34cea6af40e870b90c5"
DIGEST = "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f"


def node(step: int, path: str, node_id: str, output: dict[str, object]) -> list[Payload]:
    return [
        NodeStarted(step, path, node_id, "echo"),
        NodeFinished(step, path, node_id, output, 1),
    ]


STORY: list[Payload] = [
    RunStarted(1, "ship", "scripted", "scripted", "v0", graph_id="release", inputs={"lang": "en"}),
    *node(0, "0", "triage", {"score": 1}),
    StepCompleted(0, "triage", "gate", "r-risky", "goto"),
    # A person is asked.
    InputRequested("Ship it?", path="1", node_id="gate", requested_capability="runs:respond"),
    InputReceived(RESPONSE, "alice", path="1"),
    StepCompleted(1, "gate", "", "", "parallel", targets=["left", "right"], strategy="all"),
    # Two branches of one step, one of which calls a tool.
    BranchStarted(2, "2:branch-0", "branch-0", "left", "all"),
    BranchStarted(2, "2:branch-1", "branch-1", "right", "all"),
    NodeStarted(2, "2:branch-0", "left", "agent"),
    TurnStarted("01TURN", b"\x00" * 32, 1, path="2:branch-0"),
    ToolCallScheduled("c1", "01TURN", "now", {}),
    ToolCallCompleted("c1", "noon", 7),
    NodeFinished(2, "2:branch-0", "left", {"left": "ok"}, 1),
    NodeStarted(2, "2:branch-1", "right", "tool"),
    NodeFailed(2, "2:branch-1", "right", "no such file", "tool", 1),
    BranchFinished(2, "2:branch-0", "branch-0", "completed"),
    BranchFinished(2, "2:branch-1", "branch-1", "failed"),
    StepCompleted(2, "", "report", "", "continue", merged={"left": "ok", "score": 2}),
    # A step inside a subgraph, and an artifact.
    StepCompleted(0, "inner", "", "", "halt", path="3:report"),
    ArtifactWritten(3, "3", "report", DIGEST, "a.txt", "text/plain", 5),
    RunPaused("bob"),
    RunUnpaused("bob"),
    *node(3, "3", "report", {"report": "wrong"}),
    StepCompleted(3, "report", "late", "", "continue"),
    RunRewound(2, "bob"),
    *node(3, "3", "report", {"report": "right"}),
    StepCompleted(3, "report", "late", "", "continue"),
    InputRequested("Still there?", path="4", deadline_ns=1_767_225_600_000_000_000),
    InputTimedOut("4", "goto:end"),
]

#: Type, step and branch of the frames of a run that completed like this.
TOLD: list[tuple[str, int, str | None]] = [
    ("bosun_audit:run_started", 0, None),
    ("transition", 0, None),
    ("checkpoint", 0, None),
    ("waiting_for_input", 1, None),
    ("bosun_audit:respond", 0, None),
    ("transition", 1, None),
    ("checkpoint", 1, None),
    ("branch_started", 2, "branch-0"),
    ("branch_started", 2, "branch-1"),
    ("tool_call", 2, "branch-0"),
    ("tool_result", 2, "branch-0"),
    ("error", 2, "branch-1"),
    ("branch_completed", 2, "branch-0"),
    ("branch_cancelled", 2, "branch-1"),
    ("transition", 2, None),
    ("checkpoint", 2, None),
    ("transition", 3, "report"),
    ("artifact_written", 3, None),
    ("run_paused", 0, None),
    ("result", 0, None),
    ("bosun_audit:run_resumed", 0, None),
    ("transition", 3, None),
    ("checkpoint", 3, None),
    ("bosun_audit:run_rewound", 0, None),
    ("transition", 3, None),
    ("checkpoint", 3, None),
    ("waiting_for_input", 4, None),
    ("interrupt_timeout", 4, None),
    ("result", 0, None),
]

FORK: list[Payload] = [
    RunStarted(1, "ship", "scripted", "scripted", "v0", parent_run_id="01PARENT"),
    RunForked("01PARENT", 2, "gate", {"state_overrides": {"score": 3}}, {"score": 3}, "carol"),
    *node(3, "3", "report", {"report": "other"}),
    StepCompleted(3, "report", "", "", "halt"),
]

#: The logs that these tests read: events, and how the run ended.
LOGS: dict[str, tuple[list[Payload], str]] = {
    "done": (STORY, "completed"),
    "failed": ([event for event in STORY if not isinstance(event, RunPaused)], "failed"),
    "forked": (FORK, "failed"),
    "redacted": (STORY, "completed"),
}
