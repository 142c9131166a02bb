"""How much a caller may ask for: quotas for everything, a bucket for forks.

`charge` is called where a request has passed the capability check, and `project.middleware` tells
the caller what is left. Sockets, which have no request to charge, call `spend` for each message.
"""

from dataclasses import dataclass

from django.http import HttpRequest

from accounts.errors import RateLimited
from accounts.principals import Principal
from accounts.rate_limits.forks import charge_counterfactual
from accounts.rate_limits.quotas import Group, Standing, spend, standing_of
from accounts.rate_limits.stores import forget

__all__ = [
    "Group",
    "Meter",
    "Standing",
    "charge",
    "charge_counterfactual",
    "forget",
    "look",
    "spend",
]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(slots=True)
class Meter:
    """What a request was charged so far; `request.meter`. Requests without one cost nothing."""

    is_charged: bool = False
    standing: Standing | None = None


def charge(request: HttpRequest, principal: Principal | None) -> None:
    """Count a request, once. `None` is somebody who proved nothing: their address is charged.

    Raises `RateLimited` when the quota is used up.
    """
    meter: Meter | None = getattr(request, "meter", None)
    if meter is None or meter.is_charged:
        return
    meter.is_charged = True
    try:
        meter.standing = spend(_group(request), address=_address(request), principal=principal)
    except RateLimited as error:
        meter.standing = error.standing
        raise


def look(request: HttpRequest, principal: Principal) -> Standing | None:
    """Where the caller stands, who is not charged for this request."""
    return standing_of(_group(request), address=_address(request), principal=principal)


def _group(request: HttpRequest) -> Group:
    return "read" if request.method in _SAFE_METHODS else "write"


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
