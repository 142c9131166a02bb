"""Numbers as the pages print them."""

from functools import lru_cache

from runs.providers.base import Usage
from runs.providers.prices import price_usd

UNKNOWN = "unknown"


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def usd(amount: float) -> str:
    """US dollars with four decimals: `$0.0024`."""
    return f"${amount:.4f}"


def cost(amount: float, *, tokens: int, provider_id: str, model_id: str) -> str:
    """What was paid, or `unknown` where tokens were used at a price that nobody told us."""
    if amount or not tokens or _has_price(provider_id, model_id):
        return usd(amount)
    return UNKNOWN


def age(milliseconds: int) -> str:
    """`moments`, `5 min`, `3 h`, `2 days`: how long something has waited, at a glance."""
    minutes = milliseconds // 60_000
    if minutes < 1:
        return "moments"
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def size(number: int) -> str:
    """`512 B`, `64 KiB`, `3.2 MiB`."""
    if number < 1024:
        return f"{number} B"
    if number < 1024 * 1024:
        return f"{number / 1024:.0f} KiB"
    return f"{number / 1024 / 1024:.1f} MiB"


@lru_cache(maxsize=256)
def _has_price(provider_id: str, model_id: str) -> bool:
    return price_usd(provider_id, model_id, Usage(input_tokens=1, output_tokens=1)) is not None
