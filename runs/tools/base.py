"""What a tool is: a typed function that a model may call, and what the engine must know of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

SideEffects = Literal["none", "read", "write", "external"]


class ToolError(Exception):
    """The tool refuses or failed; the message goes to the model and into the log."""


class WaitForInput(Exception):
    """Raised by a tool that needs a human's answer. The run waits and holds no worker."""

    def __init__(self, prompt: str, *, schema: dict[str, Any] | None = None) -> None:
        super().__init__(prompt)
        self.prompt = prompt
        self.schema = schema


class ToolContext(Protocol):
    """What a tool may ask of the run it works for. Time, randomness and ids are recorded, so a
    replay sees the same ones; taking them from anywhere else makes a run diverge."""

    run_id: str
    call_id: str
    actor: str  # who started the run
    user_id: str | None
    capabilities: frozenset[str]
    idempotency_key: str  # stable over re-issues of this call

    async def now(self) -> int:
        """Unix nanoseconds."""
        ...

    async def random(self) -> int:
        """64 random bits."""
        ...

    async def new_id(self) -> str:
        """A ULID."""
        ...

    async def side_effect(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        """Run `fn` and record its JSON-like value under `name`; a replay takes it from there.

        A call that is issued again, because its worker died, runs `fn` again: what must happen
        once uses `idempotency_key`, or a tool that is not idempotent.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """A registered tool.

    `execute(arguments, context)` gets arguments that already passed `schema`. It returns a
    JSON-like value; raises `ToolError` for a failure the model should read.
    """

    name: str  # bare name, as the model sees it and as events record it
    description: str
    schema: dict[str, Any]  # JSON Schema of the arguments, an object
    execute: Callable[[dict[str, Any], ToolContext], Awaitable[Any]]
    namespace: str = "core"
    version: str = "1.0"
    side_effects: SideEffects = "none"
    idempotent: bool = True
    permissions: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    output_schema: dict[str, Any] | None = field(default=None)

    @property
    def id(self) -> str:
        """`core.now@1.0`: unique in the registry, where the bare name may not be."""
        return f"{self.namespace}.{self.name}@{self.version}"

    @property
    def has_effects(self) -> bool:
        """Whether a call of it leaves something behind that cannot be taken back."""
        return self.side_effects in ("write", "external")
