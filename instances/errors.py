"""What the instances app refuses. `project/api_errors.py` maps each class to a status.

The message of each is one sentence that a client may read. None repeats a credential or an address
of the backend.
"""


class InstancesError(Exception):
    """Base of all refusals."""


class NotConfigured(InstancesError):
    """Neither a backend's URL nor the local backend is configured."""

    def __init__(self) -> None:
        super().__init__("Instance backend not configured (set STARPOD_INSTANCE_BACKEND_URL)")


class InstanceNotFound(InstancesError):
    """The backend has no such instance, or the id cannot be one."""


class AmbiguousInstance(InstancesError):
    """Several instances have an id that begins like this."""


class RequestRefused(InstancesError):
    """The backend does not take this request: 400, 409 or 422. `status` is the backend's own."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class BackendFailed(InstancesError):
    """The backend cannot be reached, answers nonsense, or does not take our credential."""


class BackendBusy(InstancesError):
    """The backend asks us to come back later. `retry_after` is in seconds, if it said."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendTimedOut(InstancesError):
    """The backend did not answer in time."""


class NotSupported(InstancesError):
    """This backend cannot do that."""
