"""A person at the API: one keep-alive connection, one request after another."""

import http.client
import json
import re
import socket
import time
from collections.abc import Sequence
from typing import Any

from bench.core.background import Listening
from bench.core.isolated import MeasurementFailed

TIMEOUT_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class Api:
    """Raises `MeasurementFailed` for every answer that is not the expected one."""

    def __init__(self, server: Listening) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(
            server.host, server.port, timeout=TIMEOUT_SECONDS
        )

    def get(self, path: str) -> bytes:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> bytes:
        return self._ask("POST", path, json.dumps(body))

    def start_run(self, goal: str, **fields: Any) -> str:
        accepted = json.loads(self.post("/api/v1/runs", {"goal": goal, **fields}))
        run_id: str = accepted["run_id"]
        return run_id

    def status(self, run_id: str) -> str | None:
        found: str | None = json.loads(self.get(f"/api/v1/runs/{run_id}")).get("status")
        return found

    def wait_until_ended(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            while self.status(run_id) not in ("completed", "failed", "cancelled"):
                time.sleep(_LOOK_SECONDS)

    def wait_until_idle(self, timeout_seconds: float) -> bool:
        """Whether, in that time, no run was queued or executing any more."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self.metric("starlingd_queue_depth") + self.metric("starlingd_workers_busy") == 0:
                return True
            time.sleep(_LOOK_SECONDS * 4)
        return False

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; 0 while it has no sample."""
        text = self.get("/metrics").decode()
        if f"# TYPE {name} " not in text:
            raise MeasurementFailed(f"/metrics has no {name}")
        samples = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, samples))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: str | None) -> bytes:
        headers = {**self._server.headers, "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise MeasurementFailed(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content


class Stream:
    """A connection that is open already and asks for a stream when it is told to."""

    def __init__(self, server: Listening) -> None:
        self._server = server
        self._socket = socket.create_connection((server.host, server.port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def open(self, path: str) -> None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in self._server.headers.items())
        head = f"GET {path} HTTP/1.1\r\nHost: {self._server.host}\r\n{headers}\r\n"
        self._socket.sendall(head.encode())

    def wait_for(self, text: bytes) -> float:
        """When `text` had arrived, by `time.perf_counter`."""
        while text not in self._received:
            data = self._socket.recv(65_536)
            if not data:
                raise MeasurementFailed(f"the stream ended early: {self._received[-300:]!r}")
            self._received += data
        return time.perf_counter()

    def close(self) -> None:
        self._socket.close()
