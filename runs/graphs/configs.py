"""The configuration of each node kind. Unknown keys are refused everywhere."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from runs.graphs.expressions import ExpressionInvalid, check_template

NODE_ID = r"^[a-z0-9][a-z0-9_.-]{0,127}$"
#: Far beyond any wait, and still a time that 64 bits of nanoseconds can name.
LONGEST_WAIT = timedelta(days=3_660)
_FIELD_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"


def _template(text: str) -> str:
    try:
        check_template(text)
    except ExpressionInvalid as error:
        raise ValueError(f"not a valid template: {error}") from None
    return text


def _json_schema(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    if schema is not None:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"not a valid JSON Schema: {error.message}") from None
    return schema


Template = Annotated[str, AfterValidator(_template)]
FieldName = Annotated[str, Field(pattern=_FIELD_NAME)]
JsonSchema = Annotated[dict[str, Any] | None, AfterValidator(_json_schema)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(Strict):
    """Limits over a whole run, or one node; an axis that is absent or 0 is off."""

    max_input_tokens: int = Field(0, ge=0)
    max_output_tokens: int = Field(0, ge=0)
    max_usd: float = Field(0.0, ge=0)
    max_wall_clock_ms: int = Field(0, ge=0)

    def tightest(self, other: "Budget | None") -> "Budget":
        """Axis by axis the smaller limit; off loses to any limit."""
        if other is None:
            return self
        mine, theirs = self.model_dump(), other.model_dump()
        return Budget(
            **{axis: min(filter(None, (mine[axis], theirs[axis])), default=0) for axis in mine}
        )

    def recorded(self) -> dict[str, Any]:
        """The axes that are on, as RunStarted keeps them."""
        return {axis: value for axis, value in self.model_dump().items() if value}


class NodeConfig(Strict):
    """Base of all node configurations."""

    #: May stand in a `map`, where nothing waits and nothing is routed.
    is_mappable: ClassVar[bool] = True

    def written_fields(self) -> tuple[str, ...]:
        """The state fields it may write, as far as the document tells."""
        out = getattr(self, "out", "")
        return (out,) if out else ()


class AgentConfig(NodeConfig):
    """Configuration of an `agent` node, and what the model-backed kinds become."""

    prompt: Template = "{{ goal }}"
    system: Template = ""
    model: str = ""  # provider:model; empty is the run's choice, then the default model
    tools: tuple[str, ...] = ()  # names or ids; "*" is every registered tool
    max_turns: int = Field(8, ge=0)  # 0: no limit
    budget: Budget | None = None
    on_tool_error: Literal["report", "fail"] = "report"
    params: dict[str, Any] = Field(default_factory=dict)  # passed to the provider
    output_schema: JsonSchema = None  # the answer is JSON that fits it
    out: FieldName = "answer"
    #: Each property of the answer becomes a state field of its own (the presets).
    spread: bool = False
    #: A state field with the conversation before the prompt, a list of runs.engine.opening's maps.
    history: FieldName | None = None
    #: A state field with what a run chooses for itself, see runs.engine.opening.AgentOptions.
    options: FieldName | None = None
    #: A state field with the images that belong to the prompt, see runs.engine.opening.
    images: FieldName | None = None

    def written_fields(self) -> tuple[str, ...]:
        if self.spread and self.output_schema:
            return tuple(self.output_schema.get("properties", ()))
        return (self.out,)


class LlmConfig(NodeConfig):
    """One model call, with an answer in JSON when `output_schema` asks for it."""

    prompt: Template = "{{ goal }}"
    system: Template = ""
    model: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    output_schema: JsonSchema = None
    out: FieldName = "answer"


class ToolConfig(NodeConfig):
    tool: str = Field(min_length=1)
    inputs: dict[str, str] = Field(default_factory=dict)  # argument → state field
    static: dict[str, Any] = Field(default_factory=dict)  # argument → value or template
    out: FieldName = "tool_result"


class TemplateConfig(NodeConfig):
    template: Template
    out: FieldName = "text"


class InterruptConfig(NodeConfig):
    """A question to a human. The run waits for the answer and holds no worker."""

    is_mappable: ClassVar[bool] = False

    prompt: Template = Field(min_length=1)
    interrupt_payload: dict[str, Any] = Field(default_factory=dict)
    requested_capability: str | None = None
    timeout: timedelta | None = None  # ISO 8601, seconds or HH:MM:SS; without one it waits for ever
    on_timeout: str = Field("halt", pattern=r"^(halt|goto:.+)$")
    output_field: FieldName | None = None
    response_schema: JsonSchema = Field(None, alias="schema")

    @field_validator("timeout")
    @classmethod
    def _is_reasonable(cls, timeout: timedelta | None) -> timedelta | None:
        if timeout is not None and timeout <= timedelta():
            raise ValueError("must be longer than nothing")
        if timeout is not None and timeout > LONGEST_WAIT:
            raise ValueError(f"must be at most {LONGEST_WAIT.days} days")
        return timeout

    @property
    def timeout_goto(self) -> str | None:
        """The node that a timeout leads to; `None`: it ends the run."""
        return self.on_timeout.removeprefix("goto:") if self.on_timeout != "halt" else None

    def written_fields(self) -> tuple[str, ...]:
        return (self.output_field,) if self.output_field else ()


class WriteArtifactConfig(NodeConfig):
    content_field: FieldName
    name: Template = Field("artifact", min_length=1)
    content_type: str = Field(min_length=1, max_length=200)
    metadata: dict[str, Any] = Field(default_factory=dict)
    output_field: FieldName = "artifact_ref"
    replay_policy: Literal["must_stub", "fail_loud"] = "must_stub"

    def written_fields(self) -> tuple[str, ...]:
        return (self.output_field,)


class SubgraphConfig(NodeConfig):
    graph: str = Field(min_length=1)
    inputs: dict[FieldName, FieldName] = Field(default_factory=dict)  # inner → outer
    outputs: dict[FieldName, FieldName] = Field(default_factory=dict)  # outer → inner
    max_steps: int = Field(50, ge=1, le=10_000)

    def written_fields(self) -> tuple[str, ...]:
        return tuple(self.outputs)


class MapConfig(NodeConfig):
    """One execution of `node` for each item of a list; their outputs become a list."""

    is_mappable: ClassVar[bool] = False

    over: FieldName
    item: FieldName = Field("item", alias="as")
    node: dict[str, Any]  # {kind, config}; checked like a node of its own
    out: FieldName = "items"
    max_parallel: int = Field(8, ge=1, le=64)


class SleepConfig(NodeConfig):
    is_mappable: ClassVar[bool] = False

    seconds: float = Field(ge=0, le=366 * 86_400)

    def written_fields(self) -> tuple[str, ...]:
        return ()


class EchoConfig(NodeConfig):
    """`echo` and `passthrough`: nothing to say."""

    def written_fields(self) -> tuple[str, ...]:
        return ()


class HaltConfig(NodeConfig):
    is_mappable: ClassVar[bool] = False

    reason: str = ""

    def written_fields(self) -> tuple[str, ...]:
        return ()


class PresetConfig(NodeConfig):
    """What the presets of `llm` and `agent` share. `input` is a state field or a template."""

    input: str = "goal"
    instructions: Template = ""
    model: str = ""

    @model_validator(mode="before")
    @classmethod
    def _points_to_settings(cls, sent: Any) -> Any:
        for key in ("api_base", "api_key_env"):
            if isinstance(sent, dict) and sent.get(key) is not None:
                raise ValueError(f"{key} belongs to the server's model settings, not to a graph")
        return sent


class ClassifyConfig(PresetConfig):
    labels: tuple[str, ...] = Field(min_length=2)


class ExtractConfig(PresetConfig):
    fields: dict[FieldName, str] | tuple[FieldName, ...] = Field(min_length=1)


class JudgeConfig(PresetConfig):
    rubric: str = Field(min_length=1)


class ReactConfig(PresetConfig):
    tools: tuple[str, ...] = ()
    max_iters: int = Field(8, ge=1)
