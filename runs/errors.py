"""What the runs app refuses. `project/api_errors.py` maps each class to a status."""

from typing import Any


class RunsError(Exception):
    """Base of all refusals. The message is one sentence that a client may read."""


class SpendingLimitReached(RunsError):
    """What the caller, or the key, may spend in this period is spent."""

    def __init__(self, limit: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(f"Spending limit reached: {limit}" if limit else "Spending limit reached")
        self.retry_after = retry_after  # seconds until the period ends


class RunNotFound(RunsError):
    """There is no such run, or the caller may not see it."""


class ArtifactNotFound(RunsError):
    """There is no such artifact, or no run that has it is visible to the caller."""


class WrongState(RunsError):
    """The run is in a state that does not take this command. `state` is the run's status then."""

    def __init__(self, message: str, *, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class RunAlreadyFinished(WrongState):
    """A run that has ended takes no further command and no further event."""


class RunNotWaiting(WrongState):
    """Only a run that waits for input can be answered."""


class DeadlinePassed(RunsError):
    """The time in which the run could be answered is over, even if it does not know that yet."""


class RunNotPausable(WrongState):
    """Only a running run can be paused."""


class RunNotPaused(WrongState):
    """Only a paused run can be resumed."""


class NoCheckpoint(RunsError):
    """There is no recorded state after that step."""


class ResourceNotFound(RunsError):
    """What a request names beside the run it is about is not there."""


class MutationRefused(RunsError):
    """The mutation of a fork names something that the server does not have."""


class RunNotFinished(RunsError):
    """A log that its run still reads must stay whole: end the run, then redact."""


class QueueFull(RunsError):
    """As many runs wait for a worker as `--queue` allows."""


class ShuttingDown(RunsError):
    """The process drains and accepts no new runs."""


class IdempotencyConflict(RunsError):
    """The Idempotency-Key was used before, with another body."""


class InvalidInput(RunsError):
    """A field is missing, of the wrong type or out of range. `field` names it."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidRequest(RunsError):
    """Fields of a request are missing or wrong: `items` has one located complaint for each."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        super().__init__("the request is invalid")
        self.items = items


class GraphNotFound(RunsError):
    """No graph is registered under that id."""


class ModelNotFound(RunsError):
    """No configured provider serves a model of that name."""


class WorkersLost(RunsError):
    """A run lost so many workers at one step that it is given up. Ends the run; nobody sees it."""


class LeaseLost(RunsError):
    """The lease was taken over or the run has ended: this worker must stop and write nothing."""


class LogCorrupt(RunsError):
    """Stored events contradict each other or their hashes."""


class TriggerNotFound(RunsError):
    """There is no trigger of that id or path, or it is switched off and so has no path."""


class TriggerDisabled(RunsError):
    """A trigger that is switched off starts nothing."""


class BodyNotKept(RunsError):
    """Only a delivery whose body is kept can be delivered again."""


class TriggersFileInvalid(RunsError):
    """`config/triggers.yaml` is refused. The message names file, place, what was expected."""
