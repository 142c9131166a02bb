"""Anthropic's Messages API."""

import httpx2
from anthropic import AsyncAnthropic
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from runs.providers.endpoints import Endpoint


def build(endpoint: Endpoint, model_id: str, http: httpx2.AsyncClient) -> Model:
    sdk = AsyncAnthropic(
        api_key=endpoint.api_key, base_url=endpoint.base_url, http_client=http, max_retries=0
    )
    return AnthropicModel(model_id, provider=AnthropicProvider(anthropic_client=sdk))
