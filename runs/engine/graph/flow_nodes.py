"""Nodes without a model: templates, artifacts, lists, subgraphs, time and ends."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from runs.engine.graph.outcomes import (
    Failed,
    Finished,
    Outcome,
    Stopped,
    WaitsForInput,
    WaitsUntil,
)
from runs.engine.graph.races import EFFECT_IN_RACE, refusal
from runs.engine.graph.state import item_path
from runs.engine.graph.task import Artifact
from runs.event_types import ArtifactWritten, TimerSet
from runs.graphs.configs import (
    EchoConfig,
    HaltConfig,
    MapConfig,
    SleepConfig,
    SubgraphConfig,
    TemplateConfig,
    WriteArtifactConfig,
)
from runs.graphs.expressions import render, render_simple
from runs.graphs.validation import inner_node
from runs.log.codec import to_log_value

if TYPE_CHECKING:
    from runs.engine.graph.runner import NodeRunner
    from runs.engine.graph.task import Task

T = TypeVar("T")


async def fill_template(runner: "NodeRunner", task: "Task", config: TemplateConfig) -> Outcome:
    return Finished({config.out: render_simple(config.template, task.values())})


async def echo(runner: "NodeRunner", task: "Task", config: EchoConfig) -> Outcome:
    """Passes `message` on where there is one; that keeps graphs of the original format running."""
    state = task.frame.state
    return Finished({"message": state["message"]} if "message" in state else {})


async def halt(runner: "NodeRunner", task: "Task", config: HaltConfig) -> Outcome:
    return Finished(halt_reason=config.reason)


async def sleep(runner: "NodeRunner", task: "Task", config: SleepConfig) -> Outcome:
    until = runner.state.now.timers.get(task.path)
    if until is None:
        until = runner.journal.now_ns() + int(config.seconds * 1e9)
        runner.journal.record(TimerSet(task.path, until))
        until = runner.state.now.timers[task.path]  # a replay has the recorded one
    return Finished() if runner.journal.now_ns() >= until else WaitsUntil(until)


async def write_artifact(
    runner: "NodeRunner", task: "Task", config: WriteArtifactConfig
) -> Outcome:
    if task.frame.forbids_effects:
        return Failed(refusal("write_artifact"), EFFECT_IN_RACE)
    values = task.values()
    content = values.get(config.content_field)
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        found = type(content).__name__
        return Failed(f"{config.content_field} is neither text nor bytes but {found}", "node")
    metadata = to_log_value(config.metadata)
    artifact = Artifact(content, render(config.name, values), config.content_type, metadata)
    await runner.journal.commit()
    # A crash between here and the event leaves a reference that the next worker finds again: the
    # same path writes the same bytes under the same name.
    kept = await runner.world.keep_artifact(task, artifact)
    runner.journal.record(
        ArtifactWritten(
            task.step,
            task.path,
            task.node.id,
            kept.digest,
            kept.name,
            kept.content_type,
            kept.size,
            metadata or None,
        )
    )
    reference = {
        "artifact_id": kept.digest[:32],
        "content_hash": kept.digest,
        "name": kept.name,
        "content_type": kept.content_type,
    }
    return Finished({config.output_field: reference})


async def run_map(runner: "NodeRunner", task: "Task", config: MapConfig) -> Outcome:
    """The inner node once for each item, some at a time; the outputs come in the items' order."""
    items = task.values().get(config.over)
    if not isinstance(items, list):
        return Failed(f"{config.over} is not a list but {type(items).__name__}", "node")
    node, _ = inner_node(config)
    if node is None:
        return Failed("the node of this map cannot be used", "node")
    slots = asyncio.Semaphore(config.max_parallel)

    async def one(index: int, item: Any) -> Outcome:
        extra = {**task.extra, config.item: item, "index": index}
        async with slots:
            outcome = await runner.run(
                replace(task, node=node, path=item_path(task.path, index), extra=extra)
            )
            # Items without effects never wait: let others run, and the log get to the disk.
            await runner.journal.commit_soon()
            await asyncio.sleep(0)
            return outcome

    outcomes = await all_of([one(index, item) for index, item in enumerate(items)])
    return _together(outcomes, config.out)


def _together(outcomes: Sequence[Outcome], out: str) -> Outcome:
    """A failure counts before a wait, and a timer before a question."""
    for kind in (Failed, Stopped, WaitsUntil, WaitsForInput):
        first = next((outcome for outcome in outcomes if isinstance(outcome, kind)), None)
        if first is not None:
            return first
    outputs = [outcome.output for outcome in outcomes if isinstance(outcome, Finished)]
    return Finished({out: [next(iter(one.values())) if len(one) == 1 else one for one in outputs]})


async def run_subgraph(runner: "NodeRunner", task: "Task", config: SubgraphConfig) -> Outcome:
    from runs.engine.graph.subgraphs import run  # a subgraph runs nodes, and a node subgraphs

    return await run(runner, task, config)


async def all_of(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Side by side; when one raises, the others are cancelled first."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
