"""What of this process's environment an instance gets: what its runs are made of, nothing else.

Where state lies, who may call and what tells servers apart belongs to the server that starts it.
"""

import os

#: Variables of ours that say what runs are made of and how fast. All others are left out.
_PASSED_ON = frozenset(
    {
        "STARPORT_BODY_LIMIT",
        "STARPORT_CONTEXT_TOKENS",
        "STARPORT_DRAIN_SECONDS",
        "STARPORT_FIPS",
        "STARPORT_GRAPHS",
        "STARPORT_LOG_LEVEL",
        "STARPORT_MAX_STEPS",
        "STARPORT_MCP_SERVERS",
        "STARPORT_MODELS",
        "STARPORT_MODEL_CONNECT_TIMEOUT",
        "STARPORT_MODEL_IDLE_TIMEOUT",
        "STARPORT_QUEUE",
        "STARPORT_REDACT",
        "STARPORT_REQUEST_THREADS",
        "STARPORT_SSRF_ALLOW",
        "STARPORT_WORKERS",
    }
)
_OUR_PREFIXES = ("STARPORT_", "STARPOD_", "STARLINGD_", "STARGRAPH_", "RATELIMIT_", "TELEGRAM_")
_OURS = frozenset(
    {
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_URL",
        "DEBUG",
        "PROMETHEUS_MULTIPROC_DIR",  # its numbers would be added to ours
        "REDIS_URL",
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
    }
)


def environment_of_instance() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if _is_passed_on(name)}
    return {**kept, "STARPORT_LOG_FORMAT": "json"}


def _is_passed_on(name: str) -> bool:
    variable = name.removesuffix("_FILE")  # a secret's, with the file that has it
    if variable in _PASSED_ON:
        return True
    return variable not in _OURS and not variable.startswith(_OUR_PREFIXES)
