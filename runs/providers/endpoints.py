"""Which providers are configured here, and how they are reached."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from runs import operator_settings

#: What is written into RunStarted as the provider's API version.
API_VERSIONS = {
    "openai": "v1",
    "anthropic": "2026-10-21",
    "google": "v1beta",
    "openrouter": "v1",
    "bedrock": "2023-09-30",
    "ollama": "v1",
    "local": "v1",
    "scripted": "v0",
}

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
OPENROUTER_URL = "https://openrouter.ai/api/v1"
_OLLAMA_DEFAULT_URL = "http://127.0.0.1:11434"
_OLLAMA_PROBE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider as this installation reaches it."""

    provider_id: str
    base_url: str = ""  # "": the provider's own
    api_key: str = field(default="", repr=False)
    socket: str = ""  # path of the Unix socket it listens on, instead of a network address
    idle_timeout_seconds: float | None = None  # None: MODEL_IDLE_TIMEOUT_SECONDS


def find_endpoint(provider_id: str) -> Endpoint | None:
    """The endpoint of a hosted provider; None when it is not configured or not known."""
    find = _FINDERS.get(provider_id)
    return find() if find else None


def hosted_provider_ids() -> tuple[str, ...]:
    """Every hosted provider we speak to, in the order in which a default is looked for."""
    return tuple(_FINDERS)


def what_is_missing(provider_id: str) -> str:
    """The variables that would configure the provider, for messages."""
    return _VARIABLES[provider_id]


def _setting(name: str) -> str:
    """What an operator set while the program runs, else what the environment says."""
    live = operator_settings.now().provider_setting(name)
    return str(getattr(settings, name)) if live is None else live


def _openai() -> Endpoint | None:
    base_url, key = _setting("OPENAI_BASE_URL") or OPENAI_URL, _setting("OPENAI_API_KEY")
    # A server of one's own often wants no key.
    if not key and base_url == OPENAI_URL:
        return None
    return Endpoint("openai", base_url, key or "none")


def _anthropic() -> Endpoint | None:
    key = _setting("ANTHROPIC_API_KEY")
    base_url = _setting("ANTHROPIC_BASE_URL") or ANTHROPIC_URL
    return Endpoint("anthropic", base_url, key) if key else None


def _google() -> Endpoint | None:
    key = _setting("GOOGLE_API_KEY")
    return Endpoint("google", _setting("GOOGLE_GEMINI_BASE_URL"), key) if key else None


def _openrouter() -> Endpoint | None:
    key = _setting("OPENROUTER_API_KEY")
    base_url = _setting("OPENROUTER_BASE_URL") or OPENROUTER_URL
    return Endpoint("openrouter", base_url, key) if key else None


def _bedrock() -> Endpoint | None:
    # The AWS SDK finds its credentials itself, in more places than these variables: whoever names
    # a Bedrock model outright is taken at their word.
    named = any(name.startswith(("bedrock:", "bedrock/")) for name in settings.MODEL_NAMES)
    credentials = ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_PROFILE")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    found = region and any(os.environ.get(name) for name in credentials)
    return Endpoint("bedrock") if named or found else None


def _ollama() -> Endpoint | None:
    base_url = ollama_url()
    if not _setting("OLLAMA_BASE_URL") and not ollama_models(base_url):
        return None
    return Endpoint("ollama", f"{base_url}/v1", _setting("OLLAMA_API_KEY") or "none")


_FINDERS: dict[str, Callable[[], Endpoint | None]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
    "openrouter": _openrouter,
    "bedrock": _bedrock,
    "ollama": _ollama,
}
_VARIABLES = {
    "openai": "OPENAI_API_KEY or OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY or GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "bedrock": "AWS credentials and AWS_REGION",
    "ollama": "OLLAMA_BASE_URL, or an Ollama running on this machine,",
}


def ollama_url() -> str:
    """Ollama's address without `/v1`: OLLAMA_HOST may be a bare `host:port`."""
    url = _setting("OLLAMA_BASE_URL") or _OLLAMA_DEFAULT_URL
    if "://" not in url:
        url = f"http://{url}"
    return url.rstrip("/").removesuffix("/v1")


@lru_cache(maxsize=8)
def ollama_models(base_url: str) -> tuple[str, ...]:
    """The models an Ollama has pulled; empty when none answers. Asked once per process."""
    import httpx2

    try:
        response = httpx2.get(f"{base_url}/api/tags", timeout=_OLLAMA_PROBE_SECONDS)
        models = response.raise_for_status().json()["models"]
        return tuple(str(model["name"]) for model in models)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError):
        return ()
