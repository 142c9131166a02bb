"""Graph documents: validated whole at the door, identified by their hash.

The format is Stargraph's IR with the extensions of docs/reference/graphs.md. A document is either
taken or refused with every problem it has.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.lib.canonical_json import NotCanonical, canonical_hash
from runs.graphs.configs import NODE_ID, AgentConfig, Budget, NodeConfig, Strict, SubgraphConfig
from runs.graphs.kinds import ALIASES, CONFIGS
from runs.graphs.problems import GraphInvalid, Problem, pointer
from runs.graphs.rules import Parallel, Rule
from runs.graphs.state_schema import FieldSpec, StateSchema, TypeName

__all__ = ["AgentConfig", "Budget", "Graph", "GraphInvalid", "Node", "parse_graph"]

#: Not part of what a graph does, hence not of its hash.
_UNHASHED = frozenset({"lm", "checkpoints"})


class _RawNode(Strict):
    id: str = Field(pattern=NODE_ID)
    kind: str
    spec: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)


class _Block(Strict):
    targets: tuple[str, ...] = Field(min_length=1)
    join: str = ""
    strategy: str = "all"

    def as_action(self) -> Parallel:
        return Parallel(
            kind="parallel", targets=self.targets, join=self.join, strategy=self.strategy
        )


class _Used(Strict):
    id: str = Field(min_length=1)
    version: str | None = None


class _Migration(Strict):
    from_hash: str
    to_hash: str


class _Checkpoints(Strict):
    every: str = Field("node-exit", pattern="^(node-exit|never)$")
    store: str | None = None


class Document(BaseModel):
    """The document as it is written; what refers to other parts of it is checked afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ir_version: str = Field(pattern=r"^1\.\d+\.\d+$")
    id: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
    description: str = ""
    nodes: tuple[_RawNode, ...] = Field(min_length=1, max_length=1_000)
    rules: tuple[Rule, ...] = ()
    state_schema: dict[str, TypeName | FieldSpec] = Field(default_factory=dict)
    state_class: None = None
    parallel: tuple[_Block, ...] = ()
    tools: tuple[_Used, ...] = ()
    skills: tuple[_Used, ...] = Field((), max_length=0)
    stores: tuple[dict[str, Any], ...] = Field((), max_length=0)
    governance: tuple[dict[str, Any], ...] = Field((), max_length=0)
    migrate: tuple[_Migration, ...] = ()
    checkpoints: _Checkpoints | None = None
    lm: dict[str, Any] | None = None
    max_steps: int | None = Field(None, ge=1, le=1_000_000)


@dataclass(frozen=True, slots=True)
class Node:
    """One node, its configuration typed by its kind."""

    id: str
    kind: str
    config: NodeConfig


@dataclass(frozen=True, slots=True)
class Graph:
    """One version of a graph, ready to run."""

    id: str
    hash: str  # SHA-256 of the canonical document, lower-case hex
    nodes: Mapping[str, Node]  # in document order
    rules: tuple[Rule, ...]
    blocks: tuple[Parallel, ...]  # taken whenever flow reaches their first target
    state: StateSchema
    max_steps: int | None
    document: dict[str, Any]

    @property
    def node_count(self) -> int:
        return len(self.nodes)

    @property
    def description(self) -> str:
        return str(self.document.get("description", ""))

    @property
    def first_node(self) -> str:
        return next(iter(self.nodes))

    def next_in_list(self, node_id: str) -> str:
        """The node after this one in document order, "" after the last."""
        ids = list(self.nodes)
        place = ids.index(node_id) + 1
        return ids[place] if place < len(ids) else ""

    @property
    def lone_agent(self) -> AgentConfig | None:
        """The configuration of a graph that is one agent and nothing else."""
        [first, *more] = self.nodes.values()
        is_alone = not more and not self.rules and not self.blocks
        return first.config if is_alone and isinstance(first.config, AgentConfig) else None

    @property
    def migrates_to(self) -> frozenset[tuple[str, str]]:
        """Pairs of hashes between which a paused run may change versions."""
        return frozenset(
            (item["from_hash"], item["to_hash"]) for item in self.document.get("migrate", ())
        )


def parse_graph(document: Any) -> Graph:
    """Validate a decoded YAML or JSON document. Raises `GraphInvalid` with all its problems."""
    try:
        return _parse(document)
    except RecursionError:
        raise GraphInvalid([Problem("", "the document is nested too deeply")]) from None


def _parse(document: Any) -> Graph:
    from runs.graphs.validation import problems_of  # it checks what this module parses

    try:
        parsed = Document.model_validate(document)
    except ValidationError as error:
        raise GraphInvalid(_problems(error, document)) from None
    try:
        canonical_hash(document)  # it is kept whole, as JSON
        digest = canonical_hash(
            {key: value for key, value in document.items() if key not in _UNHASHED}
        )
    except NotCanonical as error:
        hint = "Integers stay within 2^53 - 1, and dates are written as quoted texts."
        problem = Problem("", f"the document is no JSON value: {error}", hint=hint)
        raise GraphInvalid([problem]) from None
    nodes, problems = _nodes(parsed)
    graph = Graph(
        id=parsed.id,
        hash=digest,
        nodes=nodes,
        rules=parsed.rules,
        blocks=_blocks(parsed, problems),
        state=StateSchema(
            {name: _field(declared) for name, declared in parsed.state_schema.items()}
        ),
        max_steps=parsed.max_steps,
        document=document,
    )
    problems += problems_of(graph, parsed)
    if problems:
        raise GraphInvalid(problems)
    return graph


def parse_node(raw: Any, place: str) -> tuple[Node | None, list[Problem]]:
    """One node of a document, or the inner node of a map. `place` is its JSON pointer."""
    try:
        parsed = _RawNode.model_validate(raw)
    except ValidationError as error:
        return None, [problem.under(place) for problem in _problems(error, raw)]
    kind = ALIASES.get(parsed.kind, parsed.kind)
    config_type = CONFIGS.get(kind)
    if config_type is None:
        known = ", ".join(sorted(CONFIGS))
        return None, [
            Problem(f"{place}/kind", "unknown node kind", f"one of {known}", repr(parsed.kind))
        ]
    config = dict(parsed.config)
    if parsed.spec is not None:
        if config_type is not SubgraphConfig:
            hint = f"Put what a {kind} node needs into its config."
            return None, [Problem(f"{place}/spec", "only a subgraph has a spec", hint=hint)]
        config.setdefault("graph", parsed.spec)
    try:
        return Node(parsed.id, kind, config_type.model_validate(config)), []
    except ValidationError as error:
        return None, [problem.under(f"{place}/config") for problem in _problems(error, config)]


def _nodes(parsed: Document) -> tuple[dict[str, Node], list[Problem]]:
    nodes: dict[str, Node] = {}
    problems: list[Problem] = []
    for index, raw in enumerate(parsed.nodes):
        node, complaints = parse_node(raw.model_dump(), pointer("nodes", index))
        problems += complaints
        if raw.id in nodes:
            place = pointer("nodes", index, "id")
            problems.append(Problem(place, "two nodes have this id", actual=repr(raw.id)))
        nodes[raw.id] = node or Node(raw.id, raw.kind, NodeConfig())
    return nodes, problems


def _blocks(parsed: Document, problems: list[Problem]) -> tuple[Parallel, ...]:
    blocks = []
    for index, block in enumerate(parsed.parallel):
        try:
            blocks.append(block.as_action())
        except ValidationError as error:
            place = pointer("parallel", index)
            problems += [item.under(place) for item in _problems(error, block.model_dump())]
    return tuple(blocks)


def _field(declared: str | FieldSpec) -> FieldSpec:
    if isinstance(declared, FieldSpec):
        return declared
    return FieldSpec.model_validate({"type": declared})


_HINTS = {
    "ir_version": "The format's version is 1, for instance 1.1.0.",
    "state_class": "State is declared by state_schema; classes of the server are not reachable.",
    "stores": "Stores are not supported.",
    "governance": "Rule packs are not supported; write rules.",
    "skills": "Skills are not supported.",
}


def _problems(error: ValidationError, document: Any) -> list[Problem]:
    """What pydantic found in `document`, with pointers into it."""
    found = []
    for item in error.errors(include_url=False):
        sent = item.get("input")
        is_short = isinstance(sent, (str, int, float, bool, type(None)))
        top = str(item["loc"][0]) if item["loc"] else ""
        found.append(
            Problem(
                pointer(*_place(item["loc"], document, is_missing=item["type"] == "missing")),
                item["msg"].removeprefix("Value error, ").replace("Tuple", "List"),
                expected=str(item.get("ctx", {}).get("expected", "")),
                actual=_shown(sent) if is_short and item["type"] != "missing" else "",
                hint=_HINTS.get(top, ""),
            )
        )
    # About a whole there is nothing to say beside what is said about its parts.
    return [
        problem
        for problem in dict.fromkeys(found)
        if not any(other.pointer.startswith(f"{problem.pointer}/") for other in found)
    ]


def _place(
    location: Sequence[int | str], document: Any, *, is_missing: bool
) -> Iterator[int | str]:
    """The parts of a location that lead through the document.

    Pydantic also names what it tried: the alternatives of a union, a key as such.
    """
    for number, part in enumerate(location, 1):
        is_there = (isinstance(document, dict) and part in document) or (
            isinstance(document, list | tuple) and isinstance(part, int) and part < len(document)
        )
        if is_there:
            document = document[part]
            yield part
        elif is_missing and number == len(location):
            yield part


def _shown(value: Any) -> str:
    try:
        return repr(value)[:100]
    except ValueError:  # Python writes no integer of more than 4300 digits
        return "a huge number"
