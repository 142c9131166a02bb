"""What a fork does instead of repeating an effect: the parent's outcome, or a loud failure."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from runs.event_types import (
    Payload,
    RunForked,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
)
from runs.log.codec import encode
from runs.providers.base import ToolUse
from runs.tools.base import Tool

NOT_REPEATED = "effect_in_fork"


def mutated(fork: RunForked, key: str) -> dict[str, Any]:
    """What the mutation has under a key, over what the parent's own mutation had."""
    before: dict[str, Any] = (fork.inherited or {}).get(key) or {}
    return {**before, **(fork.mutation.get(key) or {})}


def retracted(fork: RunForked) -> list[dict[str, Any]]:
    """Patterns of facts that are gone at the step of the fork, whatever its rules assert."""
    before: list[dict[str, Any]] = (fork.inherited or {}).get("facts_retract") or []
    return [*before, *(fork.mutation.get("facts_retract") or ())]


def same_call(tool: str, args: Any) -> bytes:
    """What two calls have in common that ask for the same."""
    return encode([tool, args])


@dataclass(slots=True)
class CallsMade:
    """The calls that a log has, each by its id in the order of their intents."""

    ids: dict[bytes, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, call: ToolCallScheduled) -> None:
        """Take in an intent; one that is issued again counts once."""
        known = self.ids[same_call(call.tool, call.args)]
        if call.call_id not in known:
            known.append(call.call_id)

    def place_of(self, use: ToolUse) -> int:
        """How many calls like this one came before it."""
        return self.ids[same_call(use.tool, use.args)].index(use.call_id)


def recorded_call(
    fork: RunForked | None, made: CallsMade, tool: Tool, use: ToolUse, attempt: int
) -> Payload | None:
    """The outcome that stands in for a call of this tool; `None`: it may run for real.

    Recorded are the effects of the parent and the questions it put to humans, found by tool and
    arguments. A call that was made several times gets the outcomes in their order, and the last
    one for whatever comes after.
    """
    if fork is None:
        return None
    wanted = same_call(tool.name, use.args)
    recorded = [
        call for call in fork.effects or () if same_call(call["tool"], call["args"]) == wanted
    ]
    if recorded:
        call = recorded[min(made.place_of(use), len(recorded) - 1)]
        if "error" in call:
            return ToolCallFailed(use.call_id, call["error"], call["error_type"], 0, attempt, True)
        return ToolCallCompleted(use.call_id, call["result"], 0, attempt)
    if tool.has_effects:
        error = f"a fork repeats no effect, and its parent never called {tool.name} like this"
        return ToolCallFailed(use.call_id, error, NOT_REPEATED, 0, attempt, True)
    return None
