"""Google's Gemini API."""

import httpx2
from google.genai.types import HttpRetryOptions
from pydantic_ai.models import Model
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider

from runs.providers.endpoints import Endpoint


def build(endpoint: Endpoint, model_id: str, http: httpx2.AsyncClient) -> Model:
    provider = GoogleProvider(
        api_key=endpoint.api_key,
        base_url=endpoint.base_url or None,
        http_client=http,
        retry_options=HttpRetryOptions(attempts=1),
    )
    return GoogleModel(model_id, provider=provider)
