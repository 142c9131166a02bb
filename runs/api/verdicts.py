"""The chain check that goes with a run's detail."""

from runs.log.validate import Head, Verdict, validate_run
from runs.services.listing import RunDetail

#: Events that are checked on every request; a longer log only when it is asked for.
CHECKED_UNASKED = 10_000


def verdict_on(run: RunDetail, *, however_long: bool) -> Verdict | None:
    """`None` when the log was not checked: it is long, or has not begun.

    Nothing is remembered between requests: a byte that flips in the file must be seen.
    """
    if not run.has_events or (run.head_seq > CHECKED_UNASKED and not however_long):
        return None
    return validate_run(run.id, head=Head(run.head_seq, bytes(run.head_hash or b"")))
