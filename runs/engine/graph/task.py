"""One execution of a node, and what it may reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from runs.engine.agent import AgentLoop, Effects, SharedBudget
from runs.engine.graph.scope import ScopedJournal
from runs.engine.start import Agent
from runs.engine.tool_calls import Waiting
from runs.event_types import Payload
from runs.graphs.documents import Graph, Node
from runs.graphs.routing import values_for
from runs.graphs.rules import Fact
from runs.providers.base import ToolUse
from runs.tools.base import Tool


@dataclass(frozen=True, slots=True)
class Frame:
    """A graph under way: the run's own, or a subgraph's. `prefix` begins the paths inside it.

    What a race is part of `forbids_effects`: a branch that loses must leave nothing behind.
    """

    graph: Graph
    state: Mapping[str, Any]
    facts: Sequence[Fact]
    prefix: str = ""
    depth: int = 0
    forbids_effects: bool = False

    def values(self, node_id: str) -> dict[str, Any]:
        """The names that its conditions and templates see."""
        return values_for(self.state, node_id, self.facts)


@dataclass(frozen=True, slots=True)
class Task:
    """One execution of a node: where, and with which names besides the state."""

    node: Node
    path: str
    step: int  # of the run, also inside subgraphs
    frame: Frame
    extra: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        return {**self.frame.values(self.node.id), **self.extra}


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes that a node wants kept."""

    data: bytes
    name: str
    content_type: str
    metadata: dict[str, Any]


class KeptArtifact(Protocol):
    """What the store says of a kept artifact."""

    digest: str
    name: str
    content_type: str
    size: int


class World(Protocol):
    """What nodes reach beyond the log: models, tools, graphs, artifacts."""

    @property
    def model(self) -> str:
        """The run's choice, `provider:model` or empty."""
        ...

    def shared_budget(self) -> SharedBudget | None:
        """The run's own budget, which all its nodes spend from."""
        ...

    def agent_effects(self, agent: Agent, journal: ScopedJournal, task: Task) -> Effects: ...

    async def drive_agent(self, loop: AgentLoop, journal: ScopedJournal) -> None:
        """Run the agent of a node to its end, or to where it waits."""
        ...

    def recorded_call(self, tool: Tool, use: ToolUse, attempt: int) -> Payload | None:
        """In a fork, the outcome of an effect that must not be repeated; else `None`."""
        ...

    async def call_tool(
        self, task: Task, tool: Tool, use: ToolUse, attempt: int
    ) -> Payload | Waiting:
        """The outcome of a `tool` node's call; its intent is durable."""
        ...

    async def find_graph(self, graph_id: str, version: str) -> Graph:
        """The version of that hash, or the current one for "". Raises `GraphNotFound`."""
        ...

    async def keep_artifact(self, task: Task, artifact: Artifact) -> KeptArtifact: ...
