"""Gates: `interrupt` nodes and the interrupts of rules, where a human decides."""

from typing import TYPE_CHECKING, Any

from runs.engine.fork_effects import mutated
from runs.engine.graph.outcomes import Failed, Finished, Outcome, WaitsForInput
from runs.engine.graph.state import gate_key
from runs.event_types import InputReceived, InputRequested, InputTimedOut
from runs.graphs.configs import InterruptConfig
from runs.graphs.expressions import render, render_value

if TYPE_CHECKING:
    from runs.engine.graph.runner import NodeRunner
    from runs.engine.graph.task import Task

#: A fact with a human's answer, as rules find it.
EVIDENCE = "stargraph.evidence"
#: The error of a run whose human did not answer in time.
TIMEOUT = "interrupt_timeout"


async def ask(runner: "NodeRunner", task: "Task", config: InterruptConfig) -> Outcome:
    """The answer, or the question. The run is woken by the one or by the deadline."""
    known = recorded_answer(runner, task, config) or _fork_answer(runner, task, config)
    if known is not None:
        return known
    request = runner.state.asked
    if request is None or request.path != task.path or not request.deadline_ns:
        return WaitsForInput(_request(task, config, runner.journal.now_ns()))
    # Nobody answered and the clock has come for it, a moment early at the most.
    await runner.journal.sleep((request.deadline_ns - runner.journal.now_ns()) / 1e9)
    await runner.journal.turn(task.path)
    runner.journal.record(InputTimedOut(task.path, config.on_timeout))
    return _timed_out(config)


def recorded_answer(
    runner: "NodeRunner", task: "Task", config: InterruptConfig
) -> Finished | Failed | None:
    """What the log says came of the question; `None` while it is open."""
    log = runner.state.now
    answer = log.answers.get(task.path)
    if answer is not None:
        return _given(config, answer)
    return _timed_out(config) if task.path in log.timeouts else None


def _fork_answer(runner: "NodeRunner", task: "Task", config: InterruptConfig) -> Finished | None:
    """A fork gives the answer that its mutation names, or that its parent got, without asking."""
    fork = runner.state.forked
    if fork is None:
        return None
    replaced = mutated(fork, "respond_payloads").get(str(task.step))
    gate = gate_key(task.path, task.node.id)
    recorded = (fork.answers or {}).get(gate, [])
    answered = runner.state.answered.get(gate, 0)
    if replaced is None and answered >= len(recorded):
        return None
    response = recorded[answered] if replaced is None else replaced
    answer = InputReceived(response, f"cf:{fork.actor}", path=task.path)
    runner.journal.record(answer)
    return _given(config, answer)


def _given(config: InterruptConfig, answer: InputReceived) -> Finished:
    fact: dict[str, Any] = {
        "head": EVIDENCE,
        "data": answer.response,
        "origin": "user",
        "source": answer.actor,
    }
    output = {config.output_field: answer.response} if config.output_field else {}
    return Finished(output, facts=(fact,))


def _timed_out(config: InterruptConfig) -> Finished | Failed:
    if config.timeout_goto is not None:
        return Finished(goto=config.timeout_goto)
    error = f"interrupt timed out after {config.timeout}; on_timeout=halt"
    return Failed(error, TIMEOUT, is_final=True)


def _request(task: "Task", config: InterruptConfig, now: int) -> InputRequested:
    values = task.values()
    deadline = 0
    if config.timeout is not None:
        deadline = now + int(config.timeout.total_seconds() * 1e9)
    return InputRequested(
        render(config.prompt, values),
        schema=config.response_schema,
        deadline_ns=deadline,
        path=task.path,
        node_id=task.node.id,
        interrupt_payload=render_value(config.interrupt_payload, values) or None,
        requested_capability=config.requested_capability or "",
        on_timeout=config.on_timeout if deadline else "",
    )
