"""What may be named as a model: each graph that answers with text, and each model of a provider."""

from collections.abc import Iterator
from dataclasses import dataclass

from chat.errors import NoSuchModel
from chat.services.posting import allowed_models
from chat.services.turns import CHAT_GRAPH
from runs.errors import GraphNotFound, ModelNotFound
from runs.graphs.configs import TemplateConfig
from runs.graphs.documents import Graph
from runs.graphs.presets import as_agent
from runs.graphs.registry import all_graphs, get_graph
from runs.providers.registry import parse_model_name

GRAPH_OWNER = "starport"


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as clients see it, and what answers for it."""

    name: str
    owned_by: str
    graph: Graph
    model: str = ""  # provider/model; empty: the graph's or the default one

    @property
    def is_assistant(self) -> bool:
        """Whether it is our own assistant, with its character and its memory."""
        return self.graph.id == CHAT_GRAPH and not self.model


def offers() -> Iterator[Offer]:
    for graph in all_graphs():
        if has_text_output(graph):
            yield Offer(graph.id, GRAPH_OWNER, graph)
    chat = get_graph(CHAT_GRAPH)
    for name in allowed_models():
        yield Offer(name, parse_model_name(name).provider_id, chat, name)


def find_offer(name: str) -> Offer:
    """Raises `NoSuchModel`."""
    try:
        graph = get_graph(name)
    except GraphNotFound:
        return _find_model(name)
    if not has_text_output(graph):
        raise NoSuchModel(name)
    return Offer(name, GRAPH_OWNER, graph)


def _find_model(name: str) -> Offer:
    try:
        parsed = parse_model_name(name)
    except ModelNotFound:
        raise NoSuchModel(name) from None
    if str(parsed) not in allowed_models():
        raise NoSuchModel(name)
    return Offer(name, parsed.provider_id, get_graph(CHAT_GRAPH), str(parsed))


def has_text_output(graph: Graph) -> bool:
    """Whether a run that is given a goal alone can end with a text."""
    if next(graph.state.complaints({}), None) is not None:
        return False  # it needs inputs that no conversation has
    for node in graph.nodes.values():
        agent = as_agent(node.kind, node.config)
        if agent is not None and agent.output_schema is None:
            return True
        if isinstance(node.config, TemplateConfig):
            return True
    return False
