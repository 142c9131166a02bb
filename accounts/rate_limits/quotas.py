"""The general quota: so many reads and so many writes of one caller in each window.

Windows are fixed and begin at multiples of their length since 1970, in every process alike: when
one ends is known without asking the store.
"""

import math
import time
from dataclasses import dataclass
from typing import Literal

from django.conf import settings

from accounts.attempts import network_of
from accounts.errors import RateLimited
from accounts.principals import ANONYMOUS_ACTOR, Principal
from accounts.rate_limits.stores import current_store

Group = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands in the current window."""

    limit: int  # requests a window
    count: int  # requests in this one so far
    reset: int  # Unix second at which the next one begins

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.count)


def spend(group: Group, *, address: str, principal: Principal | None = None) -> Standing | None:
    """Count one request, or one message of a socket, against its caller's quota.

    `None` when there are no limits, or when the store does not answer: then everybody passes.
    Raises `RateLimited`. May wait for Redis, so not for the event loop.
    """
    if not settings.RATELIMIT_ENABLED:
        return None
    limit, key, reset = _quota(group, address, principal)
    count = current_store().count(key, settings.RATELIMIT_WINDOW_SECONDS)
    if count is None:
        return None
    standing = Standing(limit, count, reset)
    if count > limit:
        raise RateLimited(max(1, math.ceil(reset - time.time())), standing)
    return standing


def standing_of(
    group: Group, *, address: str, principal: Principal | None = None
) -> Standing | None:
    """What `spend` would return if it counted nothing."""
    limit, key, reset = _quota(group, address, principal)
    count = current_store().look(key)
    return None if count is None else Standing(limit, count, reset)


def _quota(group: Group, address: str, principal: Principal | None) -> tuple[int, str, int]:
    """Requests a window, where those of the current one are counted, and when it ends."""
    window = settings.RATELIMIT_WINDOW_SECONDS
    number = int(time.time()) // window
    reset = (number + 1) * window
    if principal is None or principal.actor == ANONYMOUS_ACTOR:
        key = f"{group}:address:{network_of(address)}:{number}"
        return settings.RATELIMIT_ANONYMOUS, key, reset
    limit = settings.RATELIMIT_WRITE if group == "write" else settings.RATELIMIT_DEFAULT
    return limit, f"{group}:actor:{principal.actor}:{number}", reset
