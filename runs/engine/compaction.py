"""Context compaction: when a history outgrows its room, the oldest messages after the goal go."""

from django.conf import settings

from runs.engine.journal import Journal
from runs.engine.prompt import PromptFrame
from runs.engine.state import AgentState
from runs.event_types import ContextTruncated
from runs.providers.base import Message

STRATEGY = "drop_oldest"
#: How much of the room is used after compaction: far enough below that it stays rare.
TARGET_SHARE = 0.7


def compact(journal: Journal[AgentState], frame: PromptFrame) -> None:
    """Record a truncation if the next request would be estimated above the limit.

    What goes depends on the history alone, and the event says how much stayed, so recovery and
    replay drop the same messages.
    """
    state = journal.state
    limit = settings.STARPORT_CONTEXT_TOKENS
    before = frame.estimate(state.units)
    if before <= limit or len(state.messages) < 3:
        return
    kept = choose_kept(state.messages, state.sizes, frame, int(limit * TARGET_SHARE))
    if kept >= len(state.messages):
        return
    units = state.sizes[0] + sum(state.sizes[len(state.sizes) - (kept - 1) :])
    journal.record(
        ContextTruncated(STRATEGY, before, frame.estimate(units), len(state.messages), kept)
    )


def choose_kept(
    messages: list[Message], sizes: list[int], frame: PromptFrame, target_tokens: int
) -> int:
    """How many messages to keep: the first, and the newest that fit `target_tokens`.

    A tool result is never kept without the call it answers, and the newest exchange always stays.
    """
    units = sizes[0]
    start = len(messages)
    for index in range(len(messages) - 1, 0, -1):
        units += sizes[index]
        if frame.estimate(units) > target_tokens and start < len(messages):
            break
        if messages[index].role != "tool":
            start = index
    return 1 + len(messages) - start
