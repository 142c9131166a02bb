"""The `scripted` model: deterministic answers, for tests, trials and the benchmark.

It keeps no state. Which turn it plays follows from the request alone: the script is the newest
user message, the turn the number of assistant messages after it. So a retry plays the same turn
again, and a resumed run goes on where it was.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from runs.providers.base import Message, ModelEnd, ModelPart, ModelRequest, ProviderError, Usage
from runs.providers.prices import price_usd
from runs.providers.script import Failure, Pause, Turn, WordCount, parse_script, plain_turn

_AFTER_THE_END = plain_turn("Done.")


class ScriptedModel:
    provider_id = "scripted"
    model_id = "scripted"
    api_version = "v0"

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelPart]:
        turn = turn_to_play(request.messages)
        usage = turn.usage or Usage(count_words(request), turn.words)
        for step in turn.steps:
            match step:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Failure(kind):
                    raise ProviderError(kind, f"the script asked for {kind}")
                case WordCount(words):
                    yield Usage(usage.input_tokens, words)
                case _:
                    yield step
        yield ModelEnd(turn.stop_reason, usage, turn.response_hash)

    def cost_usd(self, usage: Usage) -> float | None:
        return price_usd(self.provider_id, self.model_id, usage)


def turn_to_play(messages: tuple[Message, ...]) -> Turn:
    answers_since = 0
    for message in reversed(messages):
        if message.role == "user":
            turns = parse_script(message.text)
            return turns[answers_since] if answers_since < len(turns) else _AFTER_THE_END
        answers_since += message.role == "assistant"
    return _AFTER_THE_END


def count_words(request: ModelRequest) -> int:
    """Whitespace-separated words of everything sent: system prompt, texts, arguments, results."""
    words = len(request.system.split())
    for message in request.messages:
        words += len(message.text.split())
        for use in message.tool_uses:
            words += len(_as_text(use.args).split())
        if message.role == "tool":
            words += len(_as_text(message.result).split())
    return words


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
