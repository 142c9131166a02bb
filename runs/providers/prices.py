"""What a model call costs in US dollars, or None where nobody told us.

Rates come from the snapshot inside `genai-prices`; it is never refreshed over the network. They
include the cached rates (Anthropic: 0.1 of the input rate to read, 1.25 to write).
"""

from runs.providers.base import Usage

#: USD per million tokens in and out. `scripted` has a price so that budgets and cost pages can be
#: tried; `local` runs on this machine.
_OWN_RATES = {"scripted": (1.0, 2.0), "local": (0.0, 0.0)}

_SNAPSHOT_NAMES = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "bedrock": "aws",
    "openrouter": "openrouter",
}


def price_usd(provider_id: str, model_id: str, usage: Usage) -> float | None:
    if provider_id in _OWN_RATES:
        rate_in, rate_out = _OWN_RATES[provider_id]
        return (usage.input_tokens * rate_in + usage.output_tokens * rate_out) / 1e6
    if provider_id in _SNAPSHOT_NAMES:
        return _snapshot_price_usd(_SNAPSHOT_NAMES[provider_id], model_id, usage)
    return None


def _snapshot_price_usd(provider: str, model_id: str, usage: Usage) -> float | None:
    # Loading the table takes a third of a second: not for those who only list runs.
    import genai_prices

    counts = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_create_tokens,
    )
    try:
        price = genai_prices.calc_price(counts, model_id, provider_id=provider)
    except (LookupError, ValueError):
        # Unknown model, or counts the table cannot split (more cached tokens than tokens).
        return None
    return float(price.total_price)
