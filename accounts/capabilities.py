"""Every capability, and what each role holds. A capability is matched exactly; no wildcards."""

from collections.abc import Mapping

RUNS_START = "runs:start"
RUNS_READ = "runs:read"
RUNS_CANCEL = "runs:cancel"
RUNS_PAUSE = "runs:pause"
RUNS_RESUME = "runs:resume"
RUNS_RESPOND = "runs:respond"
COUNTERFACTUAL_RUN = "counterfactual:run"
ARTIFACTS_READ = "artifacts:read"
ARTIFACTS_WRITE = "artifacts:write"
METRICS_READ = "metrics:read"
CHAT_USE = "chat:use"
MEMORY_WRITE = "memory:write"
INSTANCES_READ = "instances:read"
INSTANCES_MANAGE = "instances:manage"
SETTINGS_MANAGE = "settings:manage"
USERS_MANAGE = "users:manage"
AUDIT_READ = "audit:read"

_RUNS = frozenset(
    {
        RUNS_START,
        RUNS_READ,
        RUNS_CANCEL,
        RUNS_PAUSE,
        RUNS_RESUME,
        RUNS_RESPOND,
        COUNTERFACTUAL_RUN,
    }
)

# What the daemon token may do.
DAEMON = _RUNS | {ARTIFACTS_READ, ARTIFACTS_WRITE, METRICS_READ}

ALL = DAEMON | {
    CHAT_USE,
    MEMORY_WRITE,
    INSTANCES_READ,
    INSTANCES_MANAGE,
    SETTINGS_MANAGE,
    USERS_MANAGE,
    AUDIT_READ,
}

_VIEWER = frozenset({RUNS_READ, ARTIFACTS_READ, INSTANCES_READ})

ROLE_CAPABILITIES: Mapping[str, frozenset[str]] = {
    "admin": ALL,
    # A user starts, reads and steers runs too, but only its own: see Principal.sees_all_runs.
    "user": _RUNS | {ARTIFACTS_READ, INSTANCES_READ, CHAT_USE, MEMORY_WRITE},
    "viewer": _VIEWER,
    "operator": _VIEWER
    | {RUNS_START, RUNS_CANCEL, RUNS_PAUSE, RUNS_RESUME, CHAT_USE, MEMORY_WRITE},
    "responder": _VIEWER | {RUNS_RESPOND, CHAT_USE},
    "analyst": _VIEWER | {COUNTERFACTUAL_RUN, CHAT_USE},
    "scraper": frozenset({METRICS_READ}),
}
