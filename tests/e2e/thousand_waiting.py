"""What a thousand runs cost that wait for humans, and how soon an answered one goes on.

    python -m tests.e2e.thousand_waiting --runs 1000 --sample 50

Promised are: no worker held, less than 20 KiB of memory a run, 100 ms from the answer to the
next event of the run on its stream. The exit code is 0 when they held.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from bench.core.background import resident_kib
from tests.server import RunningServer, backing_services, clean_environment, launch

GATE = {
    "ir_version": "1.1.0",
    "id": "gate",
    "nodes": [
        {"id": "ask", "kind": "interrupt", "config": {"prompt": "Ship?", "output_field": "review"}},
        {"id": "end", "kind": "template", "config": {"template": "shipped", "out": "answer"}},
    ],
}
WARM_UP = 50  # runs that are answered first, so that pools and caches are filled
BUSY = re.compile(r"^starlingd_workers_busy(?:\{[^}]*\})? (\S+)", re.MULTILINE)
MOST_KIB, MOST_MS = 20.0, 100.0


def start(server: RunningServer, count: int) -> list[str]:
    """Ids of new runs, once all of them wait."""
    body = {"graph_id": "gate", "inputs": {"goal": "it"}}
    ids = [server.client.post("/v1/runs", json=body).json()["run_id"] for _ in range(count)]
    waiting = "/v1/runs?status=awaiting-input&limit=1"
    while server.client.get(waiting).json()["total"] < count:
        time.sleep(0.1)
    return ids


def answer(server: RunningServer, run_id: str) -> float:
    """Answer a run that is being watched: milliseconds until its next event is seen."""
    asked, begun = threading.Event(), 0.0

    def respond() -> None:
        nonlocal begun
        asked.wait()
        with httpx.Client(base_url=server.url, headers=server.client.headers) as client:
            client.get("/api/v1/healthz")  # the connection is there before the clock starts
            begun = time.perf_counter()
            client.post(f"/v1/runs/{run_id}/respond", json={"response": {"ok": True}})

    human = threading.Thread(target=respond)
    human.start()
    answered = False
    with server.client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
        for line in stream.iter_lines():
            if not line.startswith("data:"):
                continue
            kind = json.loads(line[5:]).get("kind")
            if answered and kind:
                seen = time.perf_counter()
                break
            answered = answered or kind == "InputReceived"
            if kind == "InputRequested":
                asked.set()
    human.join()
    return (seen - begun) * 1000


def look(server: RunningServer) -> float:
    """How long the machine takes for a request that changes nothing, in milliseconds."""
    begun = time.perf_counter()
    server.client.get("/v1/runs?limit=1")
    return (time.perf_counter() - begun) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--sample", type=int, default=50, help="how many to answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, backing_services() as services:
        (Path(folder) / "gate.json").write_text(json.dumps(GATE))
        environment = clean_environment(Path(folder), **services)
        flags = ["--queue", str(options.runs + WARM_UP), "--graphs", folder]
        server = launch(Path(folder), environment, flags)
        try:
            for run_id in start(server, WARM_UP):
                answer(server, run_id)
            before = resident_kib(server.process.pid)
            ids = start(server, options.runs)
            grown = (resident_kib(server.process.pid) - before) / options.runs
            plain = statistics.median(look(server) for _ in range(options.sample))
            busy = sum(map(float, BUSY.findall(server.client.get("/metrics").text)))
            times = sorted(answer(server, run_id) for run_id in ids[: options.sample])
        finally:
            server.stop()
    worst = times[int(len(times) * 0.99)] if len(times) > 1 else times[-1]
    print(  # noqa: T201
        f"{options.runs} waiting runs: {busy:g} workers busy, {grown:.2f} KiB a run;"
        f" {len(times)} answered: p50 {statistics.median(times):.1f} ms, p99 {worst:.1f} ms"
        f" (a list of one run: p50 {plain:.1f} ms)"
    )
    return 0 if not busy and grown < MOST_KIB and worst < MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
