"""Which backend runs the instances: a remote one by its URL, or this machine itself."""

from pathlib import Path

from django.conf import settings

from instances.backends.base import Backend
from instances.errors import NotConfigured

__all__ = ["Backend", "is_configured", "is_local", "local_folder", "open_backend"]


def is_configured() -> bool:
    return bool(settings.STARPORT_INSTANCE_BACKEND_URL) or is_local()


def is_local() -> bool:
    """Whether this server runs the instances itself. A backend's URL goes before."""
    return (
        settings.STARPORT_INSTANCE_BACKEND == "local" and not settings.STARPORT_INSTANCE_BACKEND_URL
    )


def local_folder() -> Path:
    return Path(settings.DATA_DIR / "instances")


def open_backend() -> Backend:
    """The configured backend; whoever opens it closes it (`aclose`), on the same event loop.

    Raises `NotConfigured`, and `BackendFailed` for a URL or key that cannot be used.
    """
    if settings.STARPORT_INSTANCE_BACKEND_URL:
        from instances.backends.http import HttpBackend

        return HttpBackend(
            settings.STARPORT_INSTANCE_BACKEND_URL,
            settings.STARPORT_INSTANCE_API_KEY,
            read_seconds=settings.STARPORT_INSTANCE_TIMEOUT,
        )
    if is_local():
        from instances.backends.local import LocalBackend

        return LocalBackend(local_folder())
    raise NotConfigured
