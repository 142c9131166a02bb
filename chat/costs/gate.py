"""What the engine asks before it spends anybody's money."""

import logging

from chat.costs import alerts, known, limits
from runs.engine.spending import LimitReached, Spender

logger = logging.getLogger(__name__)


class Gate:
    """The limits of users and keys, as `runs.engine.spending` consults them."""

    def may_apply(self, spender: Spender) -> bool:
        return known.may_apply(spender)

    def reached(self, spender: Spender, *, tells: bool) -> LimitReached | None:
        standings = limits.standings(spender)
        if tells:
            try:
                alerts.warn_of(standings)
            except Exception:  # the run must not fail for it, and must not go on for it either
                logger.exception("a warning about spending could not be given")
        return next((limits.as_reached(found) for found in standings if found.is_reached), None)
