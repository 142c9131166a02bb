"""The bucket for counterfactual forks, which cost a whole run each: limited in every profile."""

from django.conf import settings

from accounts.errors import CounterfactualLimited
from accounts.principals import Principal
from accounts.rate_limits.stores import current_store

_MINUTE = 60_000_000  # microseconds
_SECOND = 1_000_000


def charge_counterfactual(principal: Principal) -> None:
    """Take one of the caller's tokens, for a request whose body was found valid.

    Raises `CounterfactualLimited` when there is none. A store that does not answer lets it pass.
    """
    capacity = settings.RATELIMIT_COUNTERFACTUAL
    key = f"counterfactual:{principal.actor}"
    wait = current_store().take_token(key, capacity=capacity, interval=_MINUTE // capacity)
    if wait:
        raise CounterfactualLimited(retry_after=-(-wait // _SECOND))
