"""What a backend of instances can do. One small protocol, whoever runs the instances."""

from collections.abc import AsyncGenerator
from typing import Protocol

from instances.objects import Health, Listing, LogEntry, Report, SshAccess


class Backend(Protocol):
    """Everything is asynchronous, since a backend may take half a minute to answer.

    An id that is passed in has the form of one (`instances.objects.is_instance_id`). Every method
    raises `instances.errors` and nothing else for what can go wrong outside this program; their
    messages are short and repeat no credential.
    """

    #: A word for logs, metrics and pages: `http` or `local`.
    kind: str
    #: Which of several of that kind it is, in at most 16 characters; empty: everybody's.
    place: str

    @property
    def restart_seconds(self) -> float:
        """How long a restart may take before it counts as failed."""
        ...

    async def list_instances(self) -> Listing:
        """In the backend's order. One that cannot be read hides no other."""
        ...

    async def create(self, *, name: str | None, region: str | None) -> Report: ...

    async def get(self, instance_id: str) -> Report: ...

    async def kill(self, instance_id: str) -> None:
        """End it for good."""
        ...

    async def pause(self, instance_id: str) -> None:
        """Suspend it. Its data stay."""
        ...

    async def restart(self, instance_id: str, *, only_running: bool = False) -> None:
        """Continue a paused one, or end a running one and begin it anew.

        With `only_running`, a backend that can tell leaves one alone that was paused meanwhile.
        """
        ...

    async def health(self, instance_id: str) -> Health: ...

    def logs(
        self, instance_id: str, *, tail: int, follow: bool = False
    ) -> AsyncGenerator[LogEntry, None]:
        """The last `tail` entries, oldest first; with `follow`, then those that come.

        It may raise after it began. Close the iterator when you leave it early.
        """
        ...

    async def ssh_access(self, instance_id: str) -> SshAccess: ...

    async def aclose(self) -> None: ...
