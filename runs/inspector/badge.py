"""The chain badge: whether a log hangs together, in words that suit a run in progress as well."""

from dataclasses import dataclass

from runs.api.verdicts import CHECKED_UNASKED, verdict_on
from runs.services.listing import RunDetail


@dataclass(frozen=True, slots=True)
class Badge:
    """`state` is valid, invalid, in-progress, unchecked or empty; `reason` is why it is invalid."""

    state: str
    text: str
    reason: str = ""


def badge_of(run: RunDetail, *, however_long: bool) -> Badge:
    """Checks the whole log, unless that would keep the page waiting and nobody insists."""
    if not run.has_events:
        return Badge("empty", "no events yet")
    verdict = verdict_on(run, however_long=however_long)
    if verdict is None:
        return Badge("unchecked", f"not checked: more than {CHECKED_UNASKED:,} events")
    if verdict.is_valid:
        return Badge("valid", "✓ chain valid")
    if verdict.status == "in_progress":
        return Badge("in-progress", "in progress, chain ok so far")
    return Badge("invalid", "✗ chain invalid", str(verdict))
