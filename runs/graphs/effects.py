"""What in a graph has an effect that stays: looked for behind the branches of a race.

Of `any` and `race` one branch wins, of a quorum some, and what the others wrote until then cannot
be taken back.
At the door everything that is known is followed: the tools of agents, the inner node of a map, the
nodes of a subgraph. What is known later only (a tool of an MCP server, another version of the
subgraph) is refused when such a branch comes to it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from runs.graphs.configs import MapConfig, SubgraphConfig, ToolConfig, WriteArtifactConfig
from runs.graphs.presets import as_agent
from runs.graphs.problems import Problem, pointer
from runs.graphs.rules import Parallel
from runs.graphs.validation import inner_node
from runs.tools.registry import get_registry

if TYPE_CHECKING:
    from runs.graphs.documents import Graph, Node

#: The current version of a graph, `None` where there is none (yet).
FindGraph = Callable[[str], "Graph | None"]


def race_problems(graph: "Graph", find: FindGraph) -> Iterator[Problem]:
    """A complaint for each branch that could leave an effect behind when it loses."""
    for index, rule in enumerate(graph.rules):
        for number, action in enumerate(rule.then):
            if isinstance(action, Parallel):
                yield from _problems(graph, action, pointer("rules", index, "then", number), find)
    for index, block in enumerate(graph.blocks):
        yield from _problems(graph, block, pointer("parallel", index), find)


def _problems(graph: "Graph", block: Parallel, place: str, find: FindGraph) -> Iterator[Problem]:
    if not block.forbids_effects:
        return
    for number, target in enumerate(block.targets):
        effect = _effect_of(graph.nodes[target], find, frozenset({graph.id}))
        if effect:
            yield Problem(
                f"{place}/targets/{number}",
                f"a branch of {block.strategy!r} that loses may have had its effect already",
                expected="no effects",
                actual=effect,
                hint="Use the strategy all, or say allow_effects: true in the rule.",
            )


def _effect_of(node: "Node", find: FindGraph, seen: frozenset[str]) -> str:
    """What of the node has an effect; "" when nothing does. `seen` are the graphs around it."""
    config = node.config
    if isinstance(config, WriteArtifactConfig):
        return "write_artifact"
    if isinstance(config, ToolConfig):
        return _effectful((config.tool,))
    if isinstance(config, MapConfig):
        inner, _ = inner_node(config)
        return _effect_of(inner, find, seen) if inner is not None else ""
    if isinstance(config, SubgraphConfig):
        return _effect_in(config.graph, find, seen)
    agent = as_agent(node.kind, config)
    return _effectful(agent.tools) if agent is not None else ""


def _effect_in(graph_id: str, find: FindGraph, seen: frozenset[str]) -> str:
    graph = find(graph_id) if graph_id not in seen else None
    if graph is None:
        return ""
    effects = (_effect_of(node, find, seen | {graph_id}) for node in graph.nodes.values())
    effect = next(filter(None, effects), "")
    return f"{effect} in {graph_id}" if effect else ""


def _effectful(names: tuple[str, ...]) -> str:
    registry = get_registry()
    if names == ("*",):
        return next((tool.name for tool in registry.all() if tool.has_effects), "")
    for name in names:
        try:
            if registry.resolve(name).has_effects:
                return name
        except LookupError:
            continue  # a tool that is not there yet, of an MCP server for instance
    return ""
