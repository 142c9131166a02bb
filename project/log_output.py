"""How log records leave the process: JSON lines or text, with request id, without secrets."""

import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from project.lib.secret_shapes import REPLACEMENT, redact_text

# Names of facts that are never written, whatever they hold.
_SECRET_NAMES = re.compile(
    r"(?i)(authorization|cookie|password|passwd|secret|api_?key|token$|_token|private_?key)"
)
# Counts and ids that only look like secrets.
_HARMLESS_NAMES = frozenset({"api_key_id", "input_tokens", "output_tokens", "lease_token"})


def redact(_logger: Any, _method: str, record: MutableMapping[str, Any]) -> dict[str, Any]:
    """structlog processor: the last but one, so that it sees all that will be written."""
    return {name: _clean(name, value) for name, value in record.items()}


def _clean(name: str, value: Any) -> Any:
    if isinstance(name, str) and name not in _HARMLESS_NAMES and _SECRET_NAMES.search(name):
        return REPLACEMENT
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {key: _clean(key, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", item) for item in value]
    return value


def logging_config(*, style: str, level: str) -> dict[str, Any]:
    """The `LOGGING` setting. `style` is `json`, `console`, or `auto`: text on a terminal."""
    on_terminal = sys.stderr.isatty()
    as_json = style == "json" or (style == "auto" and not on_terminal)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": _formatter, "as_json": as_json, "colors": on_terminal}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Refusals are answers, not events of the server; only its own failures are.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            # Their handlers go; ours, with redaction, is the only way out. Uvicorn's and Daphne's
            # access logs would carry query strings.
            "uvicorn": {"handlers": [], "level": "WARNING", "propagate": True},
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "daphne": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.channels.server": {"level": "CRITICAL", "propagate": False},
            "watchfiles": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }


def _formatter(*, as_json: bool, colors: bool) -> structlog.stdlib.ProcessorFormatter:
    last: list[Any] = (
        [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
        if as_json
        else [redact, _console(colors)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED_PROCESSORS,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _console(colors: bool) -> Any:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: Any, method: str, record: MutableMapping[str, Any]) -> str:
        # Once more on the whole text: the renderer itself formats tracebacks.
        return redact_text(renderer(logger, method, record))

    return render


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure_structlog() -> None:
    """Make `structlog.get_logger()` write through the same handler as `logging`."""
    structlog.configure(
        processors=[
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
