"""What every command about runs needs before it begins."""

from accounts.management import preflight
from runs import operator_settings


def require_database() -> None:
    """Raises `CommandError` when there is none, or one of another version."""
    preflight.require_database()
    operator_settings.refresh()
