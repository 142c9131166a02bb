"""Running the tool calls of one turn: all intents first, then up to eight at a time."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts.profiles import PROFILES
from project.lib.clock import now_ns
from runs import metrics
from runs.engine.journal import Journal
from runs.event_types import (
    Payload,
    SideEffectRecorded,
    ToolCallCompleted,
    ToolCallFailed,
    ToolCallScheduled,
)
from runs.log.codec import CodecError, encode, to_log_value
from runs.log.redaction import redact_text
from runs.metrics import labelled
from runs.providers.base import ToolUse
from runs.tools.arguments import validate_arguments
from runs.tools.base import Tool, ToolError, WaitForInput

logger = logging.getLogger(__name__)

MAX_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf tools run."""

    run_id: str
    actor: str
    user_id: str | None
    capabilities: frozenset[str]


class CallContext:
    """The `ToolContext` of one live call: whatever it hands out is recorded first."""

    def __init__(self, caller: Caller, call_id: str, journal: Journal[Any]) -> None:
        self.run_id = caller.run_id
        self.call_id = call_id
        self.actor = caller.actor
        self.user_id = caller.user_id
        self.capabilities = caller.capabilities
        self.idempotency_key = f"{caller.run_id}:{call_id}"
        self.journal = journal

    async def now(self) -> int:
        return int(await self._recorded("now", now_ns()))

    async def random(self) -> int:
        return int(await self._recorded("rand", secrets.randbits(64)))

    async def new_id(self) -> str:
        return str(await self._recorded("new_id", self.journal.new_id()))

    async def side_effect(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        return await self._recorded(name, to_log_value(await fn()))

    async def _recorded(self, name: str, value: Any) -> Any:
        self.journal.record(SideEffectRecorded(name, value, self.call_id))
        await self.journal.commit()
        return value


@dataclass(frozen=True, slots=True)
class Waiting:
    """The call asked a human; its outcome comes with the answer."""

    use: ToolUse
    request: WaitForInput


async def run_call(
    tool: Tool | None, use: ToolUse, attempt: int, context: CallContext
) -> Payload | Waiting:
    """Execute one scheduled call. Every failure of the tool is an outcome, none an exception."""
    began = now_ns()
    name = "unknown" if tool is None else tool.name
    outcome = await _execute(tool, use, attempt, context, began)
    if isinstance(outcome, Waiting):
        return outcome
    error_type = outcome.error_type if isinstance(outcome, ToolCallFailed) else "none"
    status = "ok" if error_type == "none" else "error"
    labelled(metrics.tool_calls, name, status, error_type).inc()
    if tool is not None:
        labelled(metrics.tool_call_duration, name).observe((now_ns() - began) / 1e9)
    return outcome


async def _execute(
    tool: Tool | None, use: ToolUse, attempt: int, context: CallContext, began: int
) -> ToolCallCompleted | ToolCallFailed | Waiting:
    def failed(error: str, error_type: str) -> ToolCallFailed:
        duration = context.journal.elapsed_ms(began)
        return ToolCallFailed(use.call_id, redact_text(error), error_type, duration, attempt, True)

    if tool is None:
        return failed(f"step: tool not found: {use.tool}", "tool")
    missing = [name for name in tool.permissions if name not in context.capabilities]
    if missing:
        return failed(f"not permitted: needs {', '.join(missing)}", "tool")
    if tool.side_effects not in PROFILES[settings.STARPORT_PROFILE].side_effects:
        profile = settings.STARPORT_PROFILE
        return failed(
            f"side effects ({tool.side_effects}) not permitted under {profile} profile", "tool"
        )
    scope = asyncio.timeout(tool.timeout_seconds)
    try:
        arguments = validate_arguments(tool, use.args)
        async with scope:
            result = to_log_value(await tool.execute(arguments, context))
        encode(result)  # refuse here what the log could not hold
    except WaitForInput as request:
        return Waiting(use, request)
    except ToolError as error:
        return failed(str(error), "tool")
    except CodecError as error:
        return failed(f"the result cannot be recorded: {error}", "tool")
    except TimeoutError as error:
        # The tool's own inner timeout is just a failure; ours has a type of its own.
        if scope.expired():
            return failed(f"no result within {tool.timeout_seconds:g} s", "timeout")
        return failed(f"tool: panicked: {error!r}", "panic")
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        return failed("tool: panicked: CancelledError", "panic")
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # none may end the process
        logger.warning("a tool raised", extra={"tool": tool.name}, exc_info=True)
        return failed(f"tool: panicked: {type(error).__name__}", "panic")
    return ToolCallCompleted(use.call_id, result, context.journal.elapsed_ms(began), attempt)


def _is_cancelled() -> bool:
    """Did somebody cancel this task? If not, a cancellation escaped from work of the tool's own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def schedule(journal: Journal[Any], turn_id: str, uses: tuple[ToolUse, ...]) -> None:
    """Record the intent of every call, contiguous and in plan order."""
    for use in uses:
        journal.record(ToolCallScheduled(use.call_id, turn_id, use.tool, use.args))


async def run_calls(
    journal: Journal[Any],
    uses: list[ToolUse],
    execute: Callable[[ToolUse], Awaitable[Payload | Waiting]],
) -> list[Waiting]:
    """Execute scheduled calls and record their outcomes as they finish.

    The last outcomes are left uncommitted: the next turn's intent goes out in the same commit.
    Returns the calls that wait for a human.
    """
    if len(uses) == 1:
        outcome = await execute(uses[0])
        if isinstance(outcome, Waiting):
            return [outcome]
        journal.record(outcome)
        return []
    slots = asyncio.Semaphore(MAX_PARALLEL)
    finished: list[Payload | Waiting] = []

    async def one(use: ToolUse) -> None:
        async with slots:
            finished.append(await execute(use))

    waiting: list[Waiting] = []
    tasks = {asyncio.create_task(one(use)) for use in uses}
    try:
        pending = tasks
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            for outcome in finished:
                if isinstance(outcome, Waiting):
                    waiting.append(outcome)
                else:
                    journal.record(outcome)
            finished.clear()
            if pending:
                await journal.commit()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    order = {use.call_id: index for index, use in enumerate(uses)}
    return sorted(waiting, key=lambda item: order[item.use.call_id])
