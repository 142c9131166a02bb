"""Driving a real server over HTTP: start runs, wait for them, read their logs."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.server import ROOT, RunningServer

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
#: For servers: offers the tools of `tests/plugins/fault_tools`.
WITH_FAULT_TOOLS = {"PYTHONPATH": str(PLUGINS / "fault_tools")}

PATIENCE_SECONDS = 60.0  # far more than anything here takes; a machine may be busy
_LOOK_SECONDS = 0.05

ENDED = ("completed", "failed", "cancelled")


def until(reached: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(_LOOK_SECONDS)


@dataclass(frozen=True)
class Driver:
    """One server, seen through its API with the admin's key."""

    server: RunningServer

    @property
    def client(self) -> httpx.Client:
        return self.server.client

    def start(self, goal: str, *, key: str = "", **fields: Any) -> str:
        """Start a run; its id."""
        headers = {"Idempotency-Key": key} if key else {}
        reply = self.client.post("/api/v1/runs", json={"goal": goal, **fields}, headers=headers)
        assert reply.status_code == 202, reply.text
        return str(reply.json()["run_id"])

    def detail(self, run_id: str) -> dict[str, Any]:
        reply = self.client.get(f"/api/v1/runs/{run_id}")
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def cancel(self, run_id: str) -> httpx.Response:
        return self.client.post(f"/api/v1/runs/{run_id}/cancel")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The whole log."""
        events: list[dict[str, Any]] = []
        while True:
            query = {"limit": 1000, "offset": len(events)}
            reply = self.client.get(f"/api/v1/runs/{run_id}/events", params=query)
            assert reply.status_code == 200, reply.text
            page = reply.json()["events"]
            events += page
            if len(page) < 1000:
                return events

    def kinds(self, run_id: str) -> list[str]:
        return [event["kind"] for event in self.events(run_id)]

    def until(self, run_id: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the run's detail says so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not reached(detail := self.detail(run_id)):
            assert time.monotonic() < deadline, (detail, self.kinds(run_id))
            time.sleep(_LOOK_SECONDS)
        return detail

    def until_ended(self, run_id: str) -> dict[str, Any]:
        return self.until(run_id, lambda run: run["status"] in ENDED)

    def until_event(self, run_id: str, kind: str, count: int = 1) -> None:
        """Wait until the log holds `count` events of that kind."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.kinds(run_id).count(kind) < count:
            assert time.monotonic() < deadline, self.kinds(run_id)
            time.sleep(_LOOK_SECONDS)

    def run(self, goal: str, **fields: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run to the end: the detail and the log."""
        run_id = self.start(goal, **fields)
        detail = self.until_ended(run_id)
        return detail, self.events(run_id)

    def traces(self, name: str) -> Counter[str]:
        """How often a fault tool ran, by idempotency key."""
        path = self.server.data_dir / f"{name}.trace"
        return Counter(path.read_text().splitlines() if path.exists() else [])

    def until_traced(self, name: str, count: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.traces(name).total() < count:
            assert time.monotonic() < deadline, f"{name} was not called {count} times"
            time.sleep(_LOOK_SECONDS)


class Steering:
    """Another process on a server's data, which pauses, resumes, answers and injects."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._read() == {"ready": True}

    def __call__(self, service: str, run_id: str, **arguments: Any) -> dict[str, str]:
        """Call a service of `runs.services.lifecycle`: the run's status, or its refusal."""
        assert self._process.stdin is not None
        self._process.stdin.write(
            json.dumps({"call": service, "run_id": run_id, **arguments}) + "\n"
        )
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reply


@contextmanager
def steering(server: RunningServer) -> Iterator[Steering]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.steer"],
        cwd=ROOT,
        env=server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Steering(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()  # ends its loop
            process.wait(PATIENCE_SECONDS)
