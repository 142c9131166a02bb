"""Every node kind, and what configures it."""

from runs.graphs.configs import (
    AgentConfig,
    ClassifyConfig,
    EchoConfig,
    ExtractConfig,
    HaltConfig,
    InterruptConfig,
    JudgeConfig,
    LlmConfig,
    MapConfig,
    NodeConfig,
    PresetConfig,
    ReactConfig,
    SleepConfig,
    SubgraphConfig,
    TemplateConfig,
    ToolConfig,
    WriteArtifactConfig,
)

CONFIGS: dict[str, type[NodeConfig]] = {
    "agent": AgentConfig,
    "llm": LlmConfig,
    "tool": ToolConfig,
    "template": TemplateConfig,
    "interrupt": InterruptConfig,
    "write_artifact": WriteArtifactConfig,
    "subgraph": SubgraphConfig,
    "map": MapConfig,
    "sleep": SleepConfig,
    "echo": EchoConfig,
    "passthrough": EchoConfig,
    "halt": HaltConfig,
    "reason": PresetConfig,
    "summarize": PresetConfig,
    "classify": ClassifyConfig,
    "extract": ExtractConfig,
    "judge": JudgeConfig,
    "plan": PresetConfig,
    "react": ReactConfig,
}

ALIASES = {"wait_for_input": "interrupt"}
