"""From the failure of a run to the refusal that whoever waited for its answer gets."""

from chat.answers import Tally
from chat.errors import ChatError, OverLimit, ProviderBusy, ProviderFailed, ProviderTimedOut

#: How the texts of runs.providers say which kind of failure it was. The log has nothing else.
_SIGNS: tuple[tuple[type[ProviderFailed], tuple[str, ...]], ...] = (
    (ProviderTimedOut, ("(status 408)", "(status 504)", "did not answer in time", "for timeout")),
    (
        ProviderBusy,
        (
            "(status 429)",
            "(status 503)",
            "(status 529)",
            "asks to slow down",
            "cannot serve the request now",
            "did not start",
            "for rate_limit",
            "for overloaded",
        ),
    ),
)


def failure_of(tally: Tally, *, prefix: str = "") -> ChatError:
    """The run's failure; `prefix` begins its text."""
    if tally.is_over_spending_limit:
        return OverLimit(f"{prefix}{tally.error}")
    text = f"{prefix}Agent error: {tally.error}"
    if tally.error_type == "provider":
        said = tally.error.lower()
        for kind, signs in _SIGNS:
            if any(sign in said for sign in signs):
                return kind(text)
    return ProviderFailed(text)
