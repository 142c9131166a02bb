"""`/v1` as one caller sees it."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE_SECONDS = 60.0  # far more than anything here takes; a machine may be busy

ASKING_GOAL = '!tool ask_human {"prompt": "Ship it?"}\n!turn\n!say thank you'
#: Longer than any test; whoever uses it cancels the run or stops the server.
SLEEPING_GOAL = "!sleep 120\n!say awake"


@dataclass(frozen=True)
class GraphClient:
    client: httpx.Client

    def start(self, goal: str, **fields: Any) -> str:
        """The id of a run that was accepted."""
        body = {"graph_id": "agent", "inputs": {"goal": goal}, **fields}
        answer = self.client.post("/v1/runs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["run_id"])

    def summary(self, run_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def until(self, run_id: str, status: str) -> dict[str, Any]:
        """Wait until the run has that status."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (summary := self.summary(run_id))["status"] != status:
            assert time.monotonic() < deadline, summary
            time.sleep(0.05)
        return summary

    def until_first_step(self, run_id: str) -> None:
        """Wait until the run has a checkpoint."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.client.get(f"/v1/runs/{run_id}/state").status_code == 404:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def command(self, run_id: str, verb: str, body: Any = None) -> httpx.Response:
        return self.client.post(f"/v1/runs/{run_id}/{verb}", json=body)

    def page(self, **query: Any) -> dict[str, Any]:
        answer = self.client.get("/v1/runs", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page
