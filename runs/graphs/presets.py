"""The model-backed kinds of the original format, as configurations of an agent node."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runs.graphs.configs import (
    AgentConfig,
    ClassifyConfig,
    ExtractConfig,
    JudgeConfig,
    LlmConfig,
    NodeConfig,
    PresetConfig,
    ReactConfig,
)
from runs.graphs.expressions import is_template

if TYPE_CHECKING:
    from runs.graphs.documents import Graph

#: A model that answers something else than the JSON it was asked for is told so this often.
JSON_TURNS = 3

_TEXT = {"type": "string"}
_SCORE = {"type": "number", "minimum": 0, "maximum": 1}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def as_agent(kind: str, config: NodeConfig) -> AgentConfig | None:
    """What the agent loop executes for a node of this kind, or `None`: it is no model's work."""
    if isinstance(config, AgentConfig):
        return config
    if isinstance(config, LlmConfig):
        turns = JSON_TURNS if config.output_schema else 1
        return AgentConfig(**config.model_dump(), max_turns=turns)
    if isinstance(config, ReactConfig):
        return AgentConfig(
            prompt=_prompt(config),
            system=config.instructions,
            model=config.model,
            tools=config.tools,
            max_turns=config.max_iters,
        )
    if isinstance(config, PresetConfig):
        return _answering(config, *_PRESETS[kind](config))
    return None


def models_of(graph: "Graph", chosen: str) -> set[str]:
    """The models its nodes would call; "" is the default one. `chosen` is the run's."""
    agents = (as_agent(node.kind, node.config) for node in graph.nodes.values())
    return {agent.model or chosen for agent in agents if agent is not None}


def _answering(config: PresetConfig, task: str, schema: dict[str, Any]) -> AgentConfig:
    return AgentConfig(
        prompt=_prompt(config),
        system=f"{task}\n{config.instructions}".strip(),
        model=config.model,
        max_turns=JSON_TURNS,
        output_schema=schema,
        spread=True,
    )


def _prompt(config: PresetConfig) -> str:
    return config.input if is_template(config.input) else f"{{{{ {config.input} }}}}"


def _reason(config: PresetConfig) -> tuple[str, dict[str, Any]]:
    return "Think it through, then answer.", _object(rationale=_TEXT, answer=_TEXT)


def _summarize(config: PresetConfig) -> tuple[str, dict[str, Any]]:
    return "Summarise the text in a few sentences.", _object(summary=_TEXT)


def _classify(config: PresetConfig) -> tuple[str, dict[str, Any]]:
    labels = list(config.labels) if isinstance(config, ClassifyConfig) else []
    task = f"Choose the label that fits the text best: {', '.join(labels)}."
    return task, _object(verdict={"type": "string", "enum": labels}, confidence=_SCORE)


def _extract(config: PresetConfig) -> tuple[str, dict[str, Any]]:
    wanted = config.fields if isinstance(config, ExtractConfig) else ()
    described = wanted if isinstance(wanted, dict) else dict.fromkeys(wanted, "")
    properties = {name: {"description": text} if text else {} for name, text in described.items()}
    return "Extract these fields from the text; null where it says nothing.", _object(**properties)


def _judge(config: PresetConfig) -> tuple[str, dict[str, Any]]:
    rubric = config.rubric if isinstance(config, JudgeConfig) else ""
    task = f"Judge the text by this rubric.\n{rubric}"
    return task, _object(verdict=_TEXT, score=_SCORE, rationale=_TEXT)


def _plan(config: PresetConfig) -> tuple[str, dict[str, Any]]:
    tasks = {"type": "array", "items": _TEXT, "minItems": 1}
    return "Break the goal into tasks, in the order they should be done.", _object(tasks=tasks)


_PRESETS: dict[str, Callable[[PresetConfig], tuple[str, dict[str, Any]]]] = {
    "reason": _reason,
    "summarize": _summarize,
    "classify": _classify,
    "extract": _extract,
    "judge": _judge,
    "plan": _plan,
}
