"""What a run begins with: the agent as configured now, and the RunStarted that describes it."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from blake3 import blake3
from django.conf import settings

from runs import operator_settings
from runs.engine.opening import history_of, prompt_images, with_options
from runs.engine.output import schema_instruction
from runs.engine.prompt import PromptFrame, canonical_json
from runs.errors import InvalidInput
from runs.event_types import RunStarted
from runs.graphs.configs import AgentConfig, Budget
from runs.graphs.documents import Graph
from runs.graphs.expressions import ExpressionInvalid, render
from runs.graphs.presets import as_agent
from runs.graphs.state_schema import GOAL
from runs.log.codec import Preencoded, encode, to_log_value
from runs.models import Run
from runs.providers.base import Message, ModelClient, ToolSpec
from runs.providers.registry import get_client
from runs.tools.base import Tool
from runs.tools.registry import get_registry


@functools.cache
def app_version() -> str:
    try:
        return version("starport")
    except PackageNotFoundError:
        return "0.1.0"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent node ready to run: configuration resolved to a client, tools and a budget."""

    graph: Graph
    config: AgentConfig
    client: ModelClient
    tools: dict[str, Tool]  # by bare name
    budget: Budget
    frame: PromptFrame
    schemas: Preencoded  # `tool_schemas` of RunStarted

    def opening(self, started: RunStarted) -> list[Message]:
        """What was said before, and the first user message.

        Raises `InvalidInput` when the inputs do not fit the template.
        """
        values = self.graph.state.with_defaults({**(started.inputs or {}), GOAL: started.goal})
        images = prompt_images(self.config, values)
        prompt = Message("user", self._prompt(started, values), images=images)
        return [*history_of(self.config, values), prompt]

    def _prompt(self, started: RunStarted, values: Mapping[str, Any]) -> str:
        if self.config.prompt == "{{ goal }}":
            return started.goal
        return _rendered(self.config.prompt, values, "prompt")


def build_agent(
    graph: Graph,
    config: AgentConfig,
    *,
    values: Mapping[str, Any],
    model: str = "",
    budget: dict[str, Any] | None = None,
) -> Agent:
    """Resolve an agent node. Its model wins over the run's; of budgets, the tighter.

    `values` are the state that its system prompt may refer to. Raises `ModelNotFound`, or
    `InvalidInput` for a tool that nobody registered or a prompt that cannot be rendered.
    """
    values = graph.state.with_defaults(values)
    config = with_options(config, values)
    config = _with_system(config, _rendered(config.system, values, "system"))
    client = _client(
        config.model or model, tuple(settings.MODEL_NAMES), operator_settings.now().providers
    )
    tools = _resolve_tools(config.tools)
    frame, schemas = _describe(config, client, tools)
    limits = (config.budget or Budget()).tightest(Budget(**budget) if budget else None)
    by_name = {tool.name: tool for tool in tools}
    return Agent(graph, config, client, by_name, limits, frame, schemas)


def _rendered(template: str, values: Mapping[str, Any], name: str) -> str:
    try:
        return render(template, values)
    except ExpressionInvalid as error:
        raise InvalidInput(f"the {name} cannot be rendered: {error}", field=name) from None


# Keyed by identity: configurations hold dicts, and live as long as their graph.
_systems: dict[tuple[int, str], tuple[AgentConfig, AgentConfig]] = {}
_SYSTEMS_LIMIT = 256


def _with_system(config: AgentConfig, system: str) -> AgentConfig:
    """The configuration with its system prompt as the model gets it; the same object each time."""
    if config.output_schema is None and system == config.system:
        return config
    known = _systems.get((id(config), system))
    if known is not None:
        return known[1]
    wanted = schema_instruction(config.output_schema) if config.output_schema else ""
    changed = config.model_copy(update={"system": f"{system}\n\n{wanted}".strip()})
    if len(_systems) >= _SYSTEMS_LIMIT:
        _systems.clear()
    _systems[(id(config), system)] = (config, changed)  # keeping it keeps its id from reuse
    return changed


@functools.lru_cache(maxsize=256)
def _client(
    name: str, configured: tuple[str, ...], providers: tuple[tuple[str, str], ...]
) -> ModelClient:
    """Finding a client walks the environment; every run asks. What it depends on is in the key."""
    return get_client(name)


def _resolve_tools(names: tuple[str, ...]) -> tuple[Tool, ...]:
    """In the order of their names."""
    registry = get_registry()
    if names == ("*",):
        return tuple(registry.all())
    try:
        tools = [registry.resolve(name) for name in names]
    except LookupError as error:
        raise InvalidInput(str(error), field="tools") from None
    return tuple(sorted(tools, key=lambda tool: tool.name))


# The same few agents run over and over; describing one hashes and encodes all its tools.
_described: dict[tuple[int, ...], tuple[tuple[object, ...], PromptFrame, Preencoded]] = {}
_DESCRIBED_LIMIT = 256


def _describe(
    config: AgentConfig, client: ModelClient, tools: tuple[Tool, ...]
) -> tuple[PromptFrame, Preencoded]:
    """The unchanging part of the prompt, and `tool_schemas` of RunStarted."""
    parts = (config, client, *tools)
    key = tuple(map(id, parts))
    known = _described.get(key)
    if known is not None:
        return known[1], known[2]
    specs = tuple(ToolSpec(tool.name, tool.description, tool.schema) for tool in tools)
    frame = PromptFrame(client.model_id, config.system, specs, config.params)
    schemas = Preencoded(
        [
            {"name": spec.name, "schema_hash": blake3(canonical_json(spec.schema)).digest()}
            for spec in specs
        ]
    )
    if len(_described) >= _DESCRIBED_LIMIT:
        _described.clear()
    _described[key] = (parts, frame, schemas)  # keeping the parts keeps their ids from reuse
    return frame, schemas


def build_run_started(run: Run, agent: Agent) -> RunStarted:
    """The first event of `run`."""
    config = agent.config
    params = to_log_value(config.params) if config.params else None
    schemas = agent.schemas
    budget = agent.budget.recorded()
    return RunStarted(
        schema_version=1,
        goal=run.goal,
        provider_id=agent.client.provider_id,
        model_id=agent.client.model_id,
        api_version=agent.client.api_version,
        params_hash=blake3(encode(params)).digest() if params else None,
        params=params,
        system_prompt_hash=blake3(config.system.encode()).digest() if config.system else None,
        system_prompt=config.system,
        tool_registry_hash=blake3(schemas.encoded).digest() if schemas else None,
        tool_schemas=schemas,
        budget=budget or None,
        app_version=app_version(),
        graph_id=agent.graph.id,
        graph_hash=run.graph_hash or agent.graph.hash,
        inputs=to_log_value(run.inputs) or None,
        trigger_source=run.trigger_source,
        parent_run_id=run.parent_id or "",
    )


def build_graph_started(run: Run, graph: Graph) -> RunStarted:
    """The first event of a run of several nodes; its nodes name their own models."""
    client = get_client(run.model) if uses_models(graph) else None
    # With the defaults of its time, so that the log says what the run began with.
    state = graph.state.initial({**run.inputs, GOAL: run.goal})
    del state[GOAL]
    return RunStarted(
        schema_version=1,
        goal=run.goal,
        provider_id=client.provider_id if client else "",
        model_id=client.model_id if client else "",
        api_version=client.api_version if client else "",
        tool_schemas=[],
        budget=run.budget or None,
        app_version=app_version(),
        graph_id=graph.id,
        graph_hash=run.graph_hash or graph.hash,
        inputs=to_log_value(state) or None,
        trigger_source=run.trigger_source,
        parent_run_id=run.parent_id or "",
    )


def uses_models(graph: Graph) -> bool:
    return any(as_agent(node.kind, node.config) for node in graph.nodes.values())
