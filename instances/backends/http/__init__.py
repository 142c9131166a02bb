"""A remote backend: its HTTP API, both generations of it."""

from instances.backends.http.client import HttpBackend

__all__ = ["HttpBackend"]
