"""Executing nodes: recorded outcomes are taken from the log, others are made and recorded."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from runs.engine.fork_effects import mutated
from runs.engine.graph import flow_nodes, gates, model_nodes, tool_nodes
from runs.engine.graph.outcomes import Failed, Finished, Outcome
from runs.engine.graph.state import GraphState
from runs.engine.graph.task import Task, World
from runs.engine.journal import ConcurrentJournal
from runs.errors import GraphNotFound, InvalidInput, ModelNotFound
from runs.event_types import NodeFailed, NodeFinished, NodeStarted
from runs.graphs.configs import (
    EchoConfig,
    HaltConfig,
    InterruptConfig,
    MapConfig,
    NodeConfig,
    SleepConfig,
    SubgraphConfig,
    TemplateConfig,
    ToolConfig,
    WriteArtifactConfig,
)
from runs.graphs.documents import Node
from runs.graphs.expressions import ExpressionInvalid
from runs.graphs.presets import as_agent
from runs.graphs.state_schema import Unfit
from runs.log.codec import CodecError, to_log_value
from runs.log.redaction import redact_text

_EXECUTE: dict[type[NodeConfig], Callable[["NodeRunner", Task, Any], Awaitable[Outcome]]] = {
    ToolConfig: tool_nodes.call_tool,
    TemplateConfig: flow_nodes.fill_template,
    InterruptConfig: gates.ask,
    WriteArtifactConfig: flow_nodes.write_artifact,
    SubgraphConfig: flow_nodes.run_subgraph,
    MapConfig: flow_nodes.run_map,
    SleepConfig: flow_nodes.sleep,
    EchoConfig: flow_nodes.echo,
    HaltConfig: flow_nodes.halt,
}


class NodeRunner:
    """Executes the nodes of one run. Branches and items call `run` side by side."""

    def __init__(self, journal: ConcurrentJournal[GraphState], world: World) -> None:
        self.journal = journal
        self.world = world

    @property
    def state(self) -> GraphState:
        return self.journal.state

    async def run(self, task: Task) -> Outcome:
        """The recorded outcome of `task`, or a new one."""
        known = self._recorded(task)
        if known is not None:
            return known
        if task.path not in self.state.now.started:
            subgraph, version = await self._pinned_subgraph(task)
            await self.journal.turn(task.path)
            self.journal.record(
                NodeStarted(task.step, task.path, task.node.id, task.node.kind, subgraph, version)
            )
        override = self._override(task)
        if override is not None:
            return self._record(task, Finished(override), reused="override")
        try:
            outcome = await self._execute(task)
        except (ExpressionInvalid, InvalidInput, ModelNotFound, GraphNotFound) as error:
            outcome = Failed(str(error), "node")
        except (CodecError, RecursionError):
            outcome = Failed("the node has to do with a value that no log could hold", "node")
        if isinstance(outcome, Finished | Failed):
            await self.journal.turn(task.path)
        return self._record(task, outcome)

    async def _pinned_subgraph(self, task: Task) -> tuple[str, str]:
        """A subgraph's id, and the version that it keeps in this run whatever is registered."""
        config = task.node.config
        if not isinstance(config, SubgraphConfig):
            return "", ""
        pinned = self.state.versions
        if config.graph in pinned:
            return config.graph, pinned[config.graph]
        try:
            current = (await self.world.find_graph(config.graph, "")).hash
        except GraphNotFound:
            return config.graph, ""  # the node will say so
        # Another branch may have begun the same subgraph while this one looked.
        return config.graph, pinned.get(config.graph, current)

    async def _execute(self, task: Task) -> Outcome:
        config = task.node.config
        agent = as_agent(task.node.kind, config)
        if agent is not None:
            return await model_nodes.run_agent(self, task, agent)
        return await _EXECUTE[type(config)](self, task, config)

    def _recorded(self, task: Task) -> Outcome | None:
        log = self.state.now
        if (failed := log.failed.get(task.path)) is not None:
            return Failed(failed.error, failed.error_type, failed.error_type == gates.TIMEOUT)
        finished = log.finished.get(task.path)
        if finished is None:
            return None
        # What an outcome decided besides the state follows from the log, too.
        config = task.node.config
        if isinstance(config, HaltConfig):
            return Finished(finished.output, halt_reason=config.reason)
        if isinstance(config, InterruptConfig):
            return gates.recorded_answer(self, task, config) or Finished(finished.output)
        return Finished(finished.output)

    def _record(self, task: Task, outcome: Outcome, reused: str = "") -> Outcome:
        node_id, began = task.node.id, self.state.now.started[task.path]
        took = self.journal.elapsed_ms(began)
        if isinstance(outcome, Finished):
            try:
                output = task.frame.graph.state.check_output(to_log_value(outcome.output))
                self.journal.record(
                    NodeFinished(task.step, task.path, node_id, output, took, reused)
                )
                # Secrets removed: routing sees what a worker that takes over will see.
                outcome = replace(outcome, output=self.state.now.finished[task.path].output)
            except Unfit as error:
                outcome = Failed(f"{error.name}: {error}", "state")
            except (CodecError, RecursionError) as error:
                outcome = Failed(f"the output cannot be recorded: {error}", "node")
        if isinstance(outcome, Failed):
            text = redact_text(outcome.error)
            outcome = replace(outcome, error=text)
            self.journal.record(
                NodeFailed(task.step, task.path, node_id, text, outcome.error_type, took)
            )
        return outcome

    def _override(self, task: Task) -> dict[str, Any] | None:
        """The output that the mutation of a fork has for this node, on every visit."""
        fork = self.state.forked
        if fork is None or task.frame.prefix:
            return None
        if task.frame.graph.nodes.get(task.node.id) is not task.node:
            return None  # the question of a rule goes by the name of the node before it
        overrides = mutated(fork, "node_output_overrides")
        if task.node.id not in overrides:
            return None
        return as_output(task.node, overrides[task.node.id])


def as_output(node: Node, value: Any) -> dict[str, Any]:
    """A value that stands in for what `node` puts out: its fields, or the one field it has."""
    if isinstance(value, dict):
        return value
    config = as_agent(node.kind, node.config) or node.config
    fields = config.written_fields()
    return {fields[0]: value} if fields else {}
