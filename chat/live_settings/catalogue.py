"""Which models pages offer for each provider: what we ship, an operator's file, what is in use."""

import logging
import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings

from chat.live_settings.groups import General
from chat.live_settings.reading import current
from runs.providers.registry import built_in_models, configured_models

logger = logging.getLogger(__name__)

_SHIPPED = Path(__file__).with_name("catalogue.toml")
#: How clients of the gateway call a provider that has another name here.
_WIRE_PROVIDERS = {"google": "gemini"}


def known_models() -> dict[str, list[str]]:
    """Ids without their provider, sorted, by provider as the wire calls it."""
    lists = {**_lists(_SHIPPED), **_operators_lists()}
    in_use = (*configured_models(), *map(str, built_in_models()), *current(General).models)
    for name in in_use:
        provider, _, model = name.partition("/")
        lists.setdefault(_WIRE_PROVIDERS.get(provider, provider), []).append(model)
    return {provider: sorted(set(models)) for provider, models in lists.items()}


def _operators_lists() -> dict[str, list[str]]:
    """A file that cannot be used is reported and changes nothing."""
    try:
        return _lists(settings.STARPORT_MODELS_FILE)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # not UTF-8 and no TOML are ValueErrors
        logger.warning("config/models.toml cannot be used", extra={"reason": str(error)})
        return {}


def _lists(path: Path) -> dict[str, list[str]]:
    """Raises `ValueError` for what is no table of lists of ids."""
    document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    found = document.get("models")
    if not isinstance(found, dict):
        raise ValueError("it has no table [models]")
    for provider, models in found.items():
        if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
            raise ValueError(f"models.{provider} is no list of ids")
    return found
