"""The `local` model: SmolLM2-135M on this machine's CPU. What a fresh install answers with.

It is a real model and a very small one. It takes no tools (it ignores them even when told to use
one), so the agent loop just answers; what tools said earlier reaches it as plain text.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from runs.providers.base import Message, ModelPart, ModelRequest, Usage
from runs.providers.endpoints import API_VERSIONS, Endpoint
from runs.providers.local_process import LocalProcess, is_installed
from runs.providers.local_server import CONTEXT_TOKENS
from runs.providers.prices import price_usd

__all__ = ["MODEL_ID", "LocalModel", "is_installed", "shut_down", "warm_up"]

MODEL_ID = "smollm2-135m"

_MAX_ANSWER_TOKENS = 512
#: Greedy: of so small a model the likeliest words are the least wrong. Without the penalty it may
#: repeat a phrase to the end.
_DEFAULT_PARAMS = {
    "max_tokens": _MAX_ANSWER_TOKENS,
    "temperature": 0.0,
    "repeat_penalty": 1.05,
}
#: Without a system prompt the chat template introduces the model by its maker's name.
_DEFAULT_SYSTEM = "You are a helpful assistant."
# English takes four characters a token, other languages fewer.
_PROMPT_CHARS = (CONTEXT_TOKENS - _MAX_ANSWER_TOKENS) * 3
_CHARS_AROUND_A_MESSAGE = 20
# Answers queue for the slots, and a queued one is silent.
_IDLE_TIMEOUT_SECONDS = 600.0

_process = LocalProcess()


class LocalModel:
    provider_id = "local"
    model_id = MODEL_ID
    api_version = API_VERSIONS["local"]

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelPart]:
        socket = _process.socket()
        if socket is None:
            socket = await asyncio.to_thread(_load)
        # Brings in an SDK, so only for those who ask; `_load` has imported it by now.
        from runs.providers.hosted import HostedModel

        endpoint = Endpoint(
            "local",
            "http://localhost/v1",
            socket=socket,
            idle_timeout_seconds=_IDLE_TIMEOUT_SECONDS,
        )
        parts = HostedModel(endpoint, MODEL_ID).stream(fit_to_context(request))
        assert isinstance(parts, AsyncGenerator)
        async with aclosing(parts):
            async for part in parts:
                yield part

    def cost_usd(self, usage: Usage) -> float | None:
        return price_usd(self.provider_id, self.model_id, usage)


def warm_up() -> None:
    """Loads the model and its adapter now. Blocks for seconds. Raises `ProviderError`."""
    _load()


def _load() -> str:
    """The socket the model listens on. Imports the adapter too: here, a loop is not held up."""
    import runs.providers.hosted  # noqa: F401  # for its effect
    from runs.providers.adapters import load_adapter

    load_adapter("local")
    return _process.ensure_running()


def shut_down() -> None:
    _process.stop()


def fit_to_context(request: ModelRequest) -> ModelRequest:
    """The request without tools, and with as much of the newest history as the model can hold.

    A newest message that alone is too long stays: the server refuses it, and says why.
    """
    left = _PROMPT_CHARS - len(request.system)
    kept: list[Message] = []
    for message in map(_as_plain_text, reversed(request.messages)):
        left -= len(message.text) + _CHARS_AROUND_A_MESSAGE
        if kept and left < 0:
            break
        kept.append(message)
    while len(kept) > 1 and kept[-1].role == "assistant":
        kept.pop()  # a conversation begins with the user
    return replace(
        request,
        messages=tuple(reversed(kept)),
        system=request.system or _DEFAULT_SYSTEM,
        tools=(),
        params=_DEFAULT_PARAMS | request.params,
    )


def _as_plain_text(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"{message.tool} answered: {message.result}")
    return Message(message.role, message.text or "(uses a tool)")
