"""On whose behalf the tools of a run work: what they may do, and what they may see."""

from accounts.capabilities import ROLE_CAPABILITIES, RUNS_READ
from accounts.principals import Principal, user_principal
from runs.models import Run


def capabilities_of_creator(run: Run) -> frozenset[str]:
    """What the starting credential granted and the creator still holds now.

    Nothing once the creator is switched off. Users are never deleted: a run without a creator was
    started by the daemon token, in open mode, or by whom a token or a certificate names.
    """
    granted = frozenset(run.granted or ())
    if run.creator_id is None:
        return granted
    creator = run.creator
    if creator is None or not creator.is_active:
        return frozenset()
    held = frozenset(ROLE_CAPABILITIES[creator.role])
    return held if run.granted is None else held & granted


def principal_of_creator(run: Run) -> Principal:
    """Who started the run, as far as reading goes; sees nothing once they are gone."""
    creator = run.creator
    if creator is not None and creator.is_active:
        return user_principal(
            user_id=creator.pk, role=creator.role, provider="run", limited_to=run.granted
        )
    granted = capabilities_of_creator(run)
    return Principal(run.actor, None, granted, sees_all_runs=RUNS_READ in granted, provider="run")
