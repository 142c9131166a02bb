"""A finished run as these tests look at it."""

from dataclasses import dataclass
from typing import Any

from tests.e2e.driving import Driver


@dataclass(frozen=True)
class Ended:
    run_id: str
    detail: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def tail(self) -> list[str]:
        """The kinds of all events after RunStarted."""
        assert self.events[0]["kind"] == "RunStarted"
        return [event["kind"] for event in self.events[1:]]

    @property
    def last(self) -> dict[str, Any]:
        """The terminal payload."""
        payload: dict[str, Any] = self.events[-1]["payload"]
        return payload

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Payloads of one kind, in order."""
        return [event["payload"] for event in self.events if event["kind"] == kind]

    def only(self, kind: str) -> dict[str, Any]:
        (payload,) = self.all(kind)
        return payload


def run_to_end(driver: Driver, goal: str, graph_id: str = "agent", **fields: Any) -> Ended:
    return ended(driver, driver.start(goal, graph_id=graph_id, **fields))


def ended(driver: Driver, run_id: str) -> Ended:
    """Wait for the end of a run. However it ended, its chain must be whole."""
    detail = driver.until_ended(run_id)
    events = driver.events(run_id)
    assert detail["validation"] == {"status": "valid"}
    assert detail["last_seq"] == len(events)
    return Ended(run_id, detail, events)


TURN = ["TurnStarted", "AssistantMessageCompleted"]
CALL = ["ToolCallScheduled", "ToolCallCompleted"]
FAILED_CALL = ["ToolCallScheduled", "ToolCallFailed"]
