"""An instance in the words of the command line."""

from datetime import UTC, datetime

from instances.objects import Status

STATUS_STYLES = {
    Status.CREATING: "cyan",
    Status.RUNNING: "green",
    Status.PAUSED: "yellow",
    Status.STOPPED: "dim",
    Status.ERROR: "red",
}


def moment(seconds: int) -> str:
    """Unix seconds as RFC 3339."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
