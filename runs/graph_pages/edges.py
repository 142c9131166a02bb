"""What leads where in a graph, read from its document: the lines of its drawing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runs.graphs.configs import InterruptConfig
from runs.graphs.documents import Graph
from runs.graphs.expressions import demanded_text
from runs.graphs.rules import Action, Goto, Halt, Interrupt, Parallel, Retry, Rule

# Where lines begin and end besides nodes. No node can have such an id.
START = ":start"
END = ":end"
ANY = ":any"  # a rule that may apply after every node


@dataclass(frozen=True, slots=True)
class Edge:
    """One line. `label` is the id of the rule that takes it."""

    source: str
    target: str
    kind: str  # continue, goto, retry, halt, fan-out, join, gate, timeout
    label: str = ""
    is_failure: bool = False


def edges_of(graph: Graph) -> list[Edge]:
    """Each once: the start, the rules and timeouts, then what happens when no rule decides."""
    found = [*_into(graph, START, graph.first_node, "continue")]
    for rule in graph.rules:
        for source in _sources(graph, rule):
            for action in rule.then:
                found += _of_action(graph, source, action, rule)
    for node in graph.nodes.values():
        if isinstance(node.config, InterruptConfig) and node.config.timeout_goto:
            found += _into(graph, node.id, node.config.timeout_goto, "timeout")
    found += _list_order(graph, found)
    return list(dict.fromkeys(found))


def _of_action(graph: Graph, source: str, action: Action, rule: Rule) -> Iterator[Edge]:
    is_failure = rule.after == "failure"
    match action:
        case Goto() | Retry():
            yield from _into(graph, source, action.target, action.kind, rule.id, is_failure)
        case Halt():
            yield Edge(source, END, "halt", rule.id, is_failure)
        case Parallel():
            yield from _fan(graph, source, action, rule.id, is_failure)
        case Interrupt():
            following = graph.next_in_list(source) or END
            yield Edge(source, following, "gate", rule.id, is_failure)
            if action.timeout_goto:
                yield from _into(graph, source, action.timeout_goto, "timeout", rule.id)


def _into(
    graph: Graph, source: str, target: str, kind: str, label: str = "", is_failure: bool = False
) -> Iterator[Edge]:
    """A line to a node, or to all branches of the block that begins there."""
    for block in graph.blocks:
        if block.targets[0] == target:
            yield from _fan(graph, source, block, label, is_failure)
            return
    yield Edge(source, target or END, kind, label, is_failure)


def _fan(
    graph: Graph, source: str, block: Parallel, label: str, is_failure: bool = False
) -> Iterator[Edge]:
    for target in block.targets:
        yield Edge(source, target, "fan-out", label, is_failure)
    following = block.join or graph.next_in_list(max(block.targets, key=list(graph.nodes).index))
    if following in block.targets:  # a block that leads into itself
        return
    for target in block.targets:
        yield Edge(target, following or END, "join")


def _list_order(graph: Graph, found: Iterable[Edge]) -> Iterator[Edge]:
    """From each node to the next, where that can happen."""
    branches = {target for block in parallels(graph) for target in block.targets}
    entered = {edge.target for edge in found if edge.kind != "fan-out"}
    always_left = {
        source
        for rule in graph.rules
        for source in _sources(graph, rule)
        if _always_leaves(rule, source)
    }
    for node in graph.nodes.values():
        is_branch_alone = node.id in branches and node.id not in entered
        if node.kind == "halt" or node.id in always_left or is_branch_alone:
            continue
        for edge in _into(graph, node.id, graph.next_in_list(node.id), "continue"):
            if edge.kind != "fan-out":
                entered.add(edge.target)
            yield edge


def parallels(graph: Graph) -> list[Parallel]:
    by_rules = [item for rule in graph.rules for item in rule.then if isinstance(item, Parallel)]
    return [*by_rules, *graph.blocks]


def _sources(graph: Graph, rule: Rule) -> list[str]:
    """The nodes after which the rule can apply; `ANY` when it does not say."""
    if isinstance(rule.when, str):
        named, _ = demanded_text(rule.when, "node")
    else:
        named = str(rule.when.get("node", ""))
    names = {name for name in (rule.node_id, named) if name}
    if names:
        return [name for name in names if len(names) == 1 and name in graph.nodes]
    asks = any(isinstance(action, Interrupt) for action in rule.then)
    return list(graph.nodes) if asks else [ANY]


def _always_leaves(rule: Rule, source: str) -> bool:
    """Whether list order never gets its turn after `source`, whatever the state is."""
    if rule.after == "failure" or any(isinstance(action, Interrupt) for action in rule.then):
        return False
    if isinstance(rule.when, str):
        _, is_all = demanded_text(rule.when, "node")
    else:
        is_all = rule.when == {"node": source}
    return is_all and any(isinstance(item, Goto | Halt | Retry | Parallel) for item in rule.then)
