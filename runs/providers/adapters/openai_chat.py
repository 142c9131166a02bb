"""OpenAI chat completions, and the many servers that speak them."""

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.embeddings import EmbeddingModel
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models import Model
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider

from runs.providers.endpoints import OPENAI_URL, Endpoint

# OpenRouter shows it in its lists of applications.
_ATTRIBUTION = {"X-Title": "Starport"}


def build(endpoint: Endpoint, model_id: str, http: httpx2.AsyncClient) -> Model:
    sdk = _sdk(endpoint, http)
    if endpoint.provider_id == "openrouter":
        return OpenRouterModel(model_id, provider=OpenRouterProvider(openai_client=sdk))
    if endpoint.provider_id == "ollama":
        return OllamaModel(model_id, provider=OllamaProvider(openai_client=sdk))
    if endpoint.base_url == OPENAI_URL:
        return OpenAIChatModel(model_id, provider=OpenAIProvider(openai_client=sdk))
    # Without the flags that only OpenAI's own API understands.
    compatible = OpenAICompatibleProvider(endpoint.provider_id, openai_client=sdk)
    return OpenAIChatModel(model_id, provider=compatible)


def build_embeddings(endpoint: Endpoint, model_id: str, http: httpx2.AsyncClient) -> EmbeddingModel:
    """The same servers, asked for embeddings."""
    sdk = _sdk(endpoint, http)
    if endpoint.base_url == OPENAI_URL:
        return OpenAIEmbeddingModel(model_id, provider=OpenAIProvider(openai_client=sdk))
    compatible = OpenAICompatibleProvider(endpoint.provider_id, openai_client=sdk)
    return OpenAIEmbeddingModel(model_id, provider=compatible)


def _sdk(endpoint: Endpoint, http: httpx2.AsyncClient) -> AsyncOpenAI:
    return AsyncOpenAI(
        api_key=endpoint.api_key or "none",
        base_url=endpoint.base_url,
        http_client=http,
        max_retries=0,
        default_headers=_ATTRIBUTION if endpoint.provider_id == "openrouter" else None,
    )
