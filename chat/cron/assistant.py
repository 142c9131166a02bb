"""On whose behalf the assistant acts by itself, where no user has asked for it."""

from accounts.capabilities import ROLE_CAPABILITIES
from accounts.principals import Principal

#: Who owns the sessions of the assistant's own jobs, of its heartbeat, and of its prompts at start.
CRON, HEARTBEAT, BOOT, BOOTSTRAP = "cron", "heartbeat", "boot", "bootstrap"
ALL = frozenset({CRON, HEARTBEAT, BOOT, BOOTSTRAP})
#: The key of the one session that all their prompts of a kind go to.
MAIN = "main"

#: What it may do where nobody's credential has said so.
MAY = ROLE_CAPABILITIES["user"]


def assistant_principal(name: str, granted: frozenset[str] | None = None) -> Principal:
    capabilities = MAY if granted is None else granted
    return Principal(name, None, capabilities, sees_all_runs=False, provider="cron")
