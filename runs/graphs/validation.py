"""What in a document refers to other parts of it, or to the server, and must be there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runs.graphs.configs import (
    HaltConfig,
    InterruptConfig,
    MapConfig,
    SubgraphConfig,
    ToolConfig,
    WriteArtifactConfig,
)
from runs.graphs.presets import as_agent
from runs.graphs.problems import Problem, pointer
from runs.graphs.rules import Goto, Interrupt, Parallel, Retry
from runs.graphs.state_schema import GOAL, is_default_fit

if TYPE_CHECKING:
    from runs.graphs.documents import Document, Graph, Node


def problems_of(graph: "Graph", parsed: "Document") -> list[Problem]:
    """Every reference that leads nowhere, every node that nothing leads to."""
    found = [
        *_state_problems(parsed),
        *_rule_problems(graph),
        *_block_problems(graph),
        *_node_problems(graph),
    ]
    return found or list(_unreachable(graph))


def _missing(graph: "Graph", target: str, place: str) -> Iterator[Problem]:
    if target not in graph.nodes:
        yield Problem(
            place,
            "no node has this id",
            expected=f"one of {', '.join(graph.nodes)}",
            actual=repr(target),
        )


def _state_problems(parsed: "Document") -> Iterator[Problem]:
    for name, declared in parsed.state_schema.items():
        place = pointer("state_schema", name)
        if not name.isidentifier():
            yield Problem(place, "not a field name", hint="Letters, digits and underscores.")
        if isinstance(declared, str):
            continue
        if not is_default_fit(declared):
            yield Problem(
                f"{place}/default", "does not fit its type", declared.type, repr(declared.default)
            )


def _rule_problems(graph: "Graph") -> Iterator[Problem]:
    seen: set[str] = set()
    for index, rule in enumerate(graph.rules):
        place = pointer("rules", index)
        if rule.id in seen:
            yield Problem(f"{place}/id", "two rules have this id", actual=repr(rule.id))
        seen.add(rule.id)
        if rule.node_id is not None:
            yield from _missing(graph, rule.node_id, f"{place}/node_id")
        if isinstance(rule.when, dict) and "node" in rule.when:
            yield from _missing(graph, str(rule.when["node"]), f"{place}/when/node")
        for number, action in enumerate(rule.then):
            yield from _action_problems(graph, action, f"{place}/then/{number}")


def _action_problems(graph: "Graph", action: Any, place: str) -> Iterator[Problem]:
    match action:
        case Goto() | Retry():
            yield from _missing(graph, action.target, f"{place}/target")
        case Parallel():
            yield from _parallel_problems(graph, action, place)
        case Interrupt():
            if action.timeout_goto is not None:
                yield from _missing(graph, action.timeout_goto, f"{place}/on_timeout")


def _block_problems(graph: "Graph") -> Iterator[Problem]:
    for index, block in enumerate(graph.blocks):
        yield from _parallel_problems(graph, block, pointer("parallel", index))


def _parallel_problems(graph: "Graph", block: Parallel, place: str) -> Iterator[Problem]:
    for number, target in enumerate(block.targets):
        yield from _missing(graph, target, f"{place}/targets/{number}")
    if len(set(block.targets)) < len(block.targets):
        yield Problem(f"{place}/targets", "a node can be only one of the branches")
    for number, target in enumerate(block.targets):
        yield from _branch_problems(graph, target, f"{place}/targets/{number}")
    if block.join:
        yield from _missing(graph, block.join, f"{place}/join")
        if block.join in block.targets:
            yield Problem(f"{place}/join", "the join is one of its own branches")
    name, _, quorum = block.strategy.partition(":")
    if name == "quorum" and int(quorum) > len(block.targets):
        yield Problem(
            f"{place}/strategy",
            "more successes are asked for than there are branches",
            expected=f"quorum:1 to quorum:{len(block.targets)}",
            actual=block.strategy,
        )


def _branch_problems(graph: "Graph", target: str, place: str) -> Iterator[Problem]:
    """A branch is one node on its way to the join; it can neither end the run nor jump."""
    node = graph.nodes.get(target)
    if node is None:
        return
    if isinstance(node.config, HaltConfig):
        yield Problem(place, "a halt cannot be a branch", hint="Halt after the join.")
    if isinstance(node.config, InterruptConfig) and node.config.timeout_goto is not None:
        hint = "Use on_timeout: halt, and a rule for the failure if need be."
        yield Problem(place, "a branch cannot jump when its time is up", hint=hint)


def _node_problems(graph: "Graph") -> Iterator[Problem]:
    for index, node in enumerate(graph.nodes.values()):
        place = pointer("nodes", index, "config")
        config = node.config
        if isinstance(config, InterruptConfig) and config.timeout_goto is not None:
            yield from _missing(graph, config.timeout_goto, f"{place}/on_timeout")
        elif isinstance(config, SubgraphConfig) and config.graph == graph.id:
            yield Problem(f"{place}/graph", "a graph cannot be its own subgraph")
        elif isinstance(config, MapConfig):
            yield from _map_problems(graph, config, place)
        if graph.state.fields:
            yield from _field_problems(graph, config, place)


def _map_problems(graph: "Graph", config: MapConfig, place: str) -> Iterator[Problem]:
    node, problems = inner_node(config, f"{place}/node")
    yield from problems
    if node is not None and not node.config.is_mappable:
        yield Problem(
            f"{place}/node/kind",
            f"a {node.kind} cannot stand in a map",
            hint="Put it before or after the map, or into a subgraph that the map runs.",
        )


def inner_node(config: MapConfig, place: str = "") -> tuple["Node | None", list[Problem]]:
    """The node that a map executes for each item."""
    from runs.graphs.documents import parse_node

    return parse_node({"id": "item", **config.node}, place)


def _field_problems(graph: "Graph", config: Any, place: str) -> Iterator[Problem]:
    """A field that is read must be declared, or written by some node."""
    known = {GOAL, *graph.state.fields}
    for node in graph.nodes.values():
        written_by = as_agent(node.kind, node.config) or node.config
        known.update(written_by.written_fields())
    read: list[tuple[str, str]] = []
    if isinstance(config, WriteArtifactConfig):
        read.append((config.content_field, "content_field"))
    elif isinstance(config, MapConfig):
        read.append((config.over, "over"))
    elif isinstance(config, ToolConfig):
        read += [(name, f"inputs/{argument}") for argument, name in config.inputs.items()]
    elif isinstance(config, SubgraphConfig):
        read += [(name, f"inputs/{inner}") for inner, name in config.inputs.items()]
    for name, where in read:
        if name not in known:
            yield Problem(
                f"{place}/{where}",
                "no such state field",
                expected=f"one of {', '.join(sorted(known))}",
                actual=repr(name),
                hint="Declare it in state_schema.",
            )


def _unreachable(graph: "Graph") -> Iterator[Problem]:
    """Nodes that neither the list's order nor a rule, a block or a timeout leads to.

    In list order every node follows another, so only what stands behind an unconditional end can
    be out of reach; a `halt` is one.
    """
    targets = _targets(graph)
    previous: Node | None = None
    for index, node in enumerate(graph.nodes.values()):
        follows_halt = previous is not None and previous.kind == "halt"
        if follows_halt and node.id not in targets:
            yield Problem(
                pointer("nodes", index),
                "nothing leads to this node",
                hint="Name it in a goto, a parallel or an on_timeout, or move it up.",
            )
        previous = node


def _targets(graph: "Graph") -> set[str]:
    targets: set[str] = set()
    for action in [*(a for rule in graph.rules for a in rule.then), *graph.blocks]:
        match action:
            case Goto() | Retry():
                targets.add(action.target)
            case Parallel():
                targets.update((*action.targets, action.join))
            case Interrupt():
                targets.add(action.timeout_goto or "")
    for node in graph.nodes.values():
        if isinstance(node.config, InterruptConfig):
            targets.add(node.config.timeout_goto or "")
    return targets
