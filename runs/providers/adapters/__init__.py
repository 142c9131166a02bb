"""One module per SDK: its `build` makes the pydantic-ai model that speaks the wire format.

Each SDK takes up to a second to import, so only those in use are. None of them retries: the
engine does, and records it.
"""

from collections.abc import Callable
from importlib import import_module

import httpx2
from pydantic_ai.models import Model

from runs.providers.endpoints import Endpoint

BuildModel = Callable[[Endpoint, str, httpx2.AsyncClient], Model]

_MODULES = {
    "openai": "openai_chat",
    "local": "openai_chat",
    "ollama": "openai_chat",
    "openrouter": "openai_chat",
    "anthropic": "anthropic_messages",
    "google": "google_gemini",
    "bedrock": "bedrock_converse",
}


def load_adapter(provider_id: str) -> BuildModel:
    """Imports the SDK: call it before the first request, off the event loop where that matters."""
    build: BuildModel = import_module(f"{__name__}.{_MODULES[provider_id]}").build
    return build
