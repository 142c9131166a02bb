"""Model names, and the clients behind them.

A name is `provider:model` or, on every wire, `provider/model`. Callers may name any model of a
configured provider; nothing else is reached.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings

from runs.errors import ModelNotFound
from runs.providers import endpoints, local
from runs.providers.base import ModelClient
from runs.providers.endpoints import Endpoint
from runs.providers.scripted import ScriptedModel

#: The model asked of a provider that was found by its key; the middle of each house's range.
_DEFAULT_MODELS = {
    "openai": "gpt-6.1-terra",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "openrouter": "anthropic/claude-sonnet-5.5",
    "bedrock": "global.anthropic.claude-sonnet-5-5",
}
#: Other names of providers, by which clients of the gateway know them.
_ALIASES = {"gemini": "google"}
#: Providers inside this program; each has one model.
_BUILT_IN = {"local": local.MODEL_ID, "scripted": "scripted"}


class BadModelName(ModelNotFound):
    """A model name is `provider:model` or `provider/model`."""


@dataclass(frozen=True, slots=True)
class ModelName:
    provider_id: str
    model_id: str

    def __str__(self) -> str:
        """The wire form."""
        return f"{self.provider_id}/{self.model_id}"


def parse_model_name(name: str) -> ModelName:
    """The first `:` or `/` separates; the rest is the provider's own name and may contain both.

    `local` and `scripted` alone are enough, as they have one model each.
    """
    name = name.strip()
    if name in _BUILT_IN:
        return ModelName(name, _BUILT_IN[name])
    cut = min((at for at in (name.find(":"), name.find("/")) if at >= 0), default=0)
    provider_id, model_id = name[:cut].lower(), name[cut + 1 :]
    if not provider_id or not model_id or any(c.isspace() or not c.isprintable() for c in name):
        raise BadModelName(f"{name[:100]!r} is no model name: write provider:model.")
    return ModelName(_ALIASES.get(provider_id, provider_id), model_id)


def get_client(name: str = "") -> ModelClient:
    """The client of a model, the default one without a name. Raises `ModelNotFound`."""
    model = parse_model_name(name or default_model_name())
    client = _find_client(model)
    if client is None:
        known = ", ".join(configured_models())
        raise ModelNotFound(f"No configured provider serves {str(model)[:100]}; known are {known}.")
    return client


def missing_key_of(name: str) -> str:
    """The variables that would configure a model's provider; empty when they are not the matter."""
    provider_id = parse_model_name(name or default_model_name()).provider_id
    if provider_id in endpoints.hosted_provider_ids() and not endpoints.find_endpoint(provider_id):
        return endpoints.what_is_missing(provider_id)
    return ""


def default_model_name() -> str:
    return configured_models()[0]


def configured_models() -> list[str]:
    """The models offered, in wire form, the default first. Never empty."""
    if settings.MODEL_NAMES:
        return [str(parse_model_name(name)) for name in settings.MODEL_NAMES]
    hosted = [name for provider in endpoints.hosted_provider_ids() for name in _found(provider)]
    return [str(name) for name in (*hosted, *built_in_models())]


def check_configuration() -> None:
    """Raises `ModelNotFound`, with one sentence for the operator, if a listed model is unusable."""
    for name in settings.MODEL_NAMES:
        model = parse_model_name(name)
        if _find_client(model) is None:
            raise ModelNotFound(f"STARPORT_MODELS names {name}, but {_why_not(model)}.")


def warm_up() -> None:
    """Loads what the configured models need (SDKs, the local model), so that no run waits for it.

    Blocks for a second or more: call it in a thread.
    """
    for name in configured_models():
        get_client(name)
    if parse_model_name(default_model_name()).provider_id == "local":
        local.warm_up()


def _find_client(model: ModelName) -> ModelClient | None:
    if model.provider_id in _BUILT_IN:
        return _built_in_client(model)
    endpoint = endpoints.find_endpoint(model.provider_id)
    return _hosted_client(endpoint, model.model_id) if endpoint else None


def _built_in_client(model: ModelName) -> ModelClient | None:
    return _BUILT_IN_CLIENTS[model.provider_id] if model in built_in_models() else None


_BUILT_IN_CLIENTS: dict[str, ModelClient] = {
    "local": local.LocalModel(),
    "scripted": ScriptedModel(),
}


@lru_cache(maxsize=256)
def _hosted_client(endpoint: Endpoint, model_id: str) -> ModelClient:
    # Brings in every provider's SDK, over a second: not for those who only list runs.
    from runs.providers.hosted import HostedModel

    return HostedModel(endpoint, model_id)


def built_in_models() -> list[ModelName]:
    small = [ModelName("local", local.MODEL_ID)] if local.is_installed() else []
    return [*small, ModelName("scripted", "scripted")]


def _found(provider_id: str) -> list[ModelName]:
    """What a provider found by its key or address is asked by default."""
    endpoint = endpoints.find_endpoint(provider_id)
    if endpoint is None:
        return []
    if provider_id == "ollama":
        return [ModelName("ollama", m) for m in endpoints.ollama_models(endpoints.ollama_url())]
    if provider_id == "openai" and endpoint.base_url != endpoints.OPENAI_URL:
        return []  # a server of one's own: nobody but its owner knows what it serves
    return [ModelName(provider_id, _DEFAULT_MODELS[provider_id])]


def _why_not(model: ModelName) -> str:
    if model.provider_id in endpoints.hosted_provider_ids():
        return f"{endpoints.what_is_missing(model.provider_id)} is not set"
    if model == ModelName("local", local.MODEL_ID):
        return "the local model is not installed (see requirements-local.txt)"
    if model.provider_id in _BUILT_IN:
        return f"the only {model.provider_id} model is {_BUILT_IN[model.provider_id]}"
    known = ", ".join((*endpoints.hosted_provider_ids(), *_BUILT_IN))
    return f"there is no such provider; known are {known}"
