"""Embeddings: texts as vectors, from servers that speak OpenAI's protocol.

Named as models are, `provider/model`. Whoever asks does so from a thread, and waits.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from runs.errors import ModelNotFound
from runs.providers import endpoints
from runs.providers.base import ProviderError
from runs.providers.endpoints import Endpoint
from runs.providers.registry import parse_model_name
from runs.providers.scripted_embeddings import ScriptedEmbedder

#: Those whose servers have OpenAI's route for embeddings.
PROVIDERS = ("openai", "ollama", "openrouter")


class Embedder(Protocol):
    """One configured embedding model. Safe for concurrent calls, which block: not on a loop."""

    provider_id: str
    model_id: str

    def embed(
        self, texts: Sequence[str], *, is_query: bool, timeout_seconds: float
    ) -> list[list[float]]:
        """A vector for each text, all of one length. Raises `ProviderError`."""
        ...


def get_embedder(name: str) -> Embedder:
    """The client of an embedding model. Raises `ModelNotFound`."""
    model = parse_model_name(name)
    if str(model) == "scripted/scripted":
        return _SCRIPTED
    endpoint = endpoints.find_endpoint(model.provider_id)
    if model.provider_id not in PROVIDERS or endpoint is None:
        raise ModelNotFound(f"No configured provider gives embeddings of {str(model)[:100]}.")
    return _hosted(endpoint, model.model_id)


_SCRIPTED = ScriptedEmbedder()


@lru_cache(maxsize=64)
def _hosted(endpoint: Endpoint, model_id: str) -> Embedder:
    return HostedEmbedder(endpoint, model_id)


class HostedEmbedder:
    """A model behind a provider's API."""

    def __init__(self, endpoint: Endpoint, model_id: str) -> None:
        self.provider_id = endpoint.provider_id
        self.model_id = model_id
        self._endpoint = endpoint

    def embed(
        self, texts: Sequence[str], *, is_query: bool, timeout_seconds: float
    ) -> list[list[float]]:
        vectors = asyncio.run(self._within(timeout_seconds, texts, is_query))
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise ProviderError("invalid_stream", "the provider's embeddings do not fit the texts")
        return vectors

    async def _within(
        self, seconds: float, texts: Sequence[str], is_query: bool
    ) -> list[list[float]]:
        # The SDKs and what they throw are loaded by those who call a model, and nobody else.
        from runs.providers.hosted_errors import provider_error

        try:
            async with asyncio.timeout(seconds):
                return await self._ask(texts, is_query)
        except TimeoutError:
            raise ProviderError("timeout", "the provider did not answer in time") from None
        except Exception as error:  # `from None`: its text may quote headers and bodies
            raise provider_error(error, secrets=[self._endpoint.api_key]) from None

    async def _ask(self, texts: Sequence[str], is_query: bool) -> list[list[float]]:
        from runs.providers.adapters.openai_chat import build_embeddings
        from runs.providers.connections import open_client

        async with open_client() as http:
            model = build_embeddings(self._endpoint, self.model_id, http)
            answer = await model.embed(list(texts), input_type="query" if is_query else "document")
        return [[float(number) for number in vector] for vector in answer.embeddings]
