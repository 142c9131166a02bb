"""Who is calling: the one shape every credential ends up as."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from accounts import capabilities

DAEMON_ACTOR = "daemon"
ANONYMOUS_ACTOR = "anonymous"

MAX_ACTOR = 200  # characters; the columns that hold an actor have as many


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, or the anonymous one of open mode."""

    # The user's id, a token's or certificate's subject, "daemon" or "anonymous": what logs, audit
    # and rate limits name.
    actor: str
    user_id: str | None
    capabilities: frozenset[str]
    sees_all_runs: bool
    # api_key, session, daemon_token, bearer_jwt, mtls, open: how the caller proved it
    provider: str
    api_key_id: str | None = None
    role: str | None = None  # the user's role; None for whoever has no user
    expires_at: float | None = None  # Unix seconds; of a token or certificate
    session_id: str | None = None  # the token's id or the certificate's serial number
    remark: str | None = None  # what the audit trail should know of how it was admitted

    def can(self, capability: str) -> bool:
        return capability in self.capabilities

    def holds(self, requested: str) -> bool:
        """`can`, for a name that a graph's author chose: an admin holds every one.

        An admin's key that is limited holds what it names, and nothing else.
        """
        is_unlimited_admin = self.role == "admin" and self.capabilities == capabilities.ALL
        return is_unlimited_admin or self.can(requested)


DAEMON = Principal(
    actor=DAEMON_ACTOR,
    user_id=None,
    capabilities=capabilities.DAEMON,
    sees_all_runs=True,
    provider="daemon_token",
)

# The caller of a fresh install counts as its administrator: somebody must create the first user.
OPEN = Principal(
    actor=ANONYMOUS_ACTOR,
    user_id=None,
    capabilities=capabilities.ALL,
    sees_all_runs=True,
    provider="open",
)


def user_principal(
    *,
    user_id: str,
    role: str,
    provider: str,
    api_key_id: str | None = None,
    limited_to: Iterable[str] | None = None,
) -> Principal:
    """A user's principal: what the role holds, cut down to `limited_to` when a key is limited."""
    granted = _granted(role, None if limited_to is None else tuple(limited_to))
    return Principal(
        actor=user_id,
        user_id=user_id,
        capabilities=granted,
        sees_all_runs=role != "user" and capabilities.RUNS_READ in granted,
        provider=provider,
        api_key_id=api_key_id,
        role=role,
    )


def external_principal(
    *,
    actor: str,
    grants: frozenset[str],
    provider: str,
    expires_at: float | None = None,
    session_id: str | None = None,
    remark: str | None = None,
) -> Principal | None:
    """Somebody whom a token or a certificate names; no user stands behind them.

    `None` for a name that cannot be recorded, or that is one of ours. Such a caller owns no runs,
    so who may read runs reads all of them.
    """
    if not 0 < len(actor) <= MAX_ACTOR or not actor.isprintable() or _is_ours(actor):
        return None
    return Principal(
        actor=actor,
        user_id=None,
        capabilities=grants,
        sees_all_runs=capabilities.RUNS_READ in grants,
        provider=provider,
        expires_at=expires_at,
        session_id=session_id,
        remark=remark,
    )


# The assistant acts under names as well: at a start, at the times of its heartbeat and its jobs;
# and so do services and commands.
_OUR_ACTORS = frozenset(
    {
        *(DAEMON_ACTOR, ANONYMOUS_ACTOR, "admin", "boot", "bootstrap", "cron", "heartbeat"),
        *("instances.monitor", "webhooks.courier", "serve", "manage.py"),
        *("config/agent.toml", "config/triggers.yaml"),
    }
)
_COMMANDS = "manage.py:"  # and who gave it


def _is_ours(actor: str) -> bool:
    return actor in _OUR_ACTORS or actor.startswith(_COMMANDS)


@lru_cache(maxsize=1024)
def _granted(role: str, limited_to: tuple[str, ...] | None) -> frozenset[str]:
    held = capabilities.ROLE_CAPABILITIES[role]
    return held if limited_to is None else held & set(limited_to)
