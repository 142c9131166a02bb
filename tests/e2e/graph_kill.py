"""Kill a server in the middle of graphs with branches, a timer, a human gate and tools.

    python -m tests.e2e.graph_kill --kills 30 --runs 8 --seed 7

Like `kill_nine`, for what only graphs have. Whoever is asked is answered over HTTP as long as the
server lives; the exit code is 0 when every promise held.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from runs.event_types import KIND_NUMBERS
from tests.e2e.driving import PATIENCE_SECONDS, WITH_FAULT_TOOLS, Driver
from tests.e2e.snapshots import Snapshot, changed, read_events
from tests.server import RunningServer, backing_services, clean_environment, launch

ENDS = frozenset({"done", "failed", "cancelled", "error"})
LONGEST_LIFE_SECONDS = 1.5
_COMPLETED = KIND_NUMBERS["ToolCallCompleted"]
_CALL_FAILED = KIND_NUMBERS["ToolCallFailed"]
_RESUMED = KIND_NUMBERS["RunResumed"]
_NODE_FINISHED = KIND_NUMBERS["NodeFinished"]
_STEP = KIND_NUMBERS["StepCompleted"]
SCRIPT = (
    '!tool transfer {"seconds": 0.1}\n!tool upsert {"seconds": 0.2}\n!turn\n!sleep 0.1\n!say told'
)
GRAPH = {
    "ir_version": "1.1.0",
    "id": "payday",
    "nodes": [
        {"id": "begin", "kind": "template", "config": {"template": "{goal}", "out": "begun"}},
        {
            "id": "clerk",
            "kind": "agent",
            "config": {
                "prompt": "{% raw %}" + SCRIPT + "{% endraw %}",
                "tools": ["transfer", "upsert"],
                "out": "clerk",
            },
        },
        {"id": "poet", "kind": "llm", "config": {"prompt": "!sleep 0.1\n!say ode", "out": "poem"}},
        {"id": "nap", "kind": "sleep", "config": {"seconds": 0.2}},
        {"id": "gate", "kind": "interrupt", "config": {"prompt": "Pay?", "output_field": "review"}},
        {
            "id": "pay",
            "kind": "tool",
            "config": {"tool": "transfer", "static": {"seconds": 0.1}, "out": "paid"},
        },
        {
            "id": "keep",
            "kind": "write_artifact",
            "config": {"content_field": "poem", "name": "ode.txt", "content_type": "text/plain"},
        },
        {"id": "end", "kind": "template", "config": {"template": "{poem} {clerk}", "out": "end"}},
    ],
    "rules": [
        {
            "id": "fan-out",
            "when": {"node": "begin"},
            "then": [{"kind": "parallel", "targets": ["clerk", "poet"], "join": "nap"}],
        },
        {
            "id": "unknown",
            "when": "error_type == 'interrupted'",
            "node_id": "pay",
            "after": "failure",
            "then": [{"kind": "goto", "target": "keep"}],
        },
    ],
}
EXPECTED = {
    "begun": "go",
    "clerk": "told",
    "poem": "ode",
    "review": {"ok": True},
    "end": "ode told",
}


@dataclass
class GraphCampaign:
    """One server under fire, and what was seen of it."""

    server: RunningServer
    pick: random.Random
    runs: int  # to keep going at a time
    accepted: list[str] = field(default_factory=list)
    kills: int = 0
    broken: list[str] = field(default_factory=list)  # promises, as sentences
    recorded: Snapshot = field(default_factory=dict)

    def fire(self, kills: int) -> None:
        """Kill it `kills` times."""
        while self.kills < kills:
            for _ in range(self.runs):
                self._work()  # on a slow machine, too, the kill shall hit something
            life = self.pick.uniform(0.1, LONGEST_LIFE_SECONDS)
            timer = threading.Timer(life, os.kill, (self.server.process.pid, signal.SIGKILL))
            timer.start()
            with suppress(httpx.TransportError):
                while True:
                    self._work()
                    time.sleep(0.05)
            timer.join()
            self.server.kill()  # reaps it
            self.kills += 1
            self._compare()
            self.server.start_again()

    def _work(self) -> None:
        """Keep some runs going, and answer what they ask."""
        if self._count("running") + self._count("pending") < self.runs:
            body = {"graph_id": "payday", "inputs": {"goal": "go"}}
            reply = self.server.client.post("/v1/runs", json=body)
            assert reply.status_code == 202, reply.text
            self.accepted.append(reply.json()["run_id"])
        self._answer()

    def _answer(self) -> None:
        waiting = self.server.client.get("/v1/runs", params={"status": "awaiting-input"})
        for run in waiting.json()["items"]:
            url = f"/v1/runs/{run['run_id']}/respond"
            reply = self.server.client.post(url, json={"response": {"ok": True}})
            assert reply.status_code in (200, 202, 409), reply.text

    def _count(self, status: str) -> int:
        page = self.server.client.get("/v1/runs", params={"status": status, "limit": 1})
        return int(page.json()["total"])

    def _all_have_ended(self) -> bool:
        """Asked at once: a run that changes its status between two questions is in neither."""
        page = self.server.client.get("/v1/runs", params={"limit": 1000}).json()
        return all(run["status"] in ENDS for run in page["items"])

    def _compare(self) -> None:
        now = read_events(self.server.data_dir, self.server.environment)
        for run_id, seq in changed(self.recorded, now):
            self.broken.append(f"event {seq} of {run_id} changed after kill {self.kills}")
        self.recorded = now

    def finish(self) -> None:
        """Leave it in peace until everything has ended; then check everything."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._answer()
            if self._all_have_ended():
                break
            time.sleep(0.1)
        self._compare()
        for run_id in {run_id for run_id, _ in self.recorded} | set(self.accepted):
            self._check_end(run_id)
        self._check_log()
        self._check_effects()
        validated = self.server.manage("runs", "validate")
        if validated.returncode != 0:
            self.broken.append(f"runs validate: {validated.stdout[-500:]}")

    def _check_end(self, run_id: str) -> None:
        summary = self.server.client.get(f"/v1/runs/{run_id}").json()
        if summary["status"] != "done":
            self.broken.append(f"{run_id} is {summary['status']}: {summary['error_cause']}")
            return
        state = self.server.client.get(f"/v1/runs/{run_id}/state").json()["state"]
        found = {name: state.get(name) for name in EXPECTED}
        if found != EXPECTED or "artifact_ref" not in state:
            self.broken.append(f"{run_id} ended with {state}")
        if state.get("paid") != {"result": "transferred"} and not self._interrupted(run_id):
            self.broken.append(f"{run_id} did not pay: {state.get('paid')}")

    def _interrupted(self, run_id: str) -> int:
        return sum(
            event.kind == _CALL_FAILED and event.data["error_type"] == "interrupted"
            for (owner, _), event in self.recorded.items()
            if owner == run_id
        )

    def _check_log(self) -> None:
        outcomes: Counter[tuple[Any, ...]] = Counter()
        for (run_id, _), event in self.recorded.items():
            data = event.data
            if event.kind in (_COMPLETED, _CALL_FAILED):
                outcomes[run_id, "call", data["call_id"]] += 1
            elif event.kind == _NODE_FINISHED:
                outcomes[run_id, "node", data["path"]] += 1
            elif event.kind == _STEP:
                outcomes[run_id, "step", data["step"]] += 1
        twice = [key for key, count in outcomes.items() if count > 1]
        self.broken += [f"more than one outcome of {key}" for key in twice]

    def _check_effects(self) -> None:
        for key, count in Driver(self.server).traces("transfer").items():
            if count > 1:
                self.broken.append(f"transfer ran {count} times for {key}")

    @property
    def takeovers(self) -> int:
        return sum(event.kind == _RESUMED for event in self.recorded.values())


def run_graph_campaign(*, kills: int, runs: int, seed: int, data_dir: Path) -> GraphCampaign:
    graphs = data_dir / "graphs"
    graphs.mkdir()
    (graphs / "payday.json").write_text(json.dumps(GRAPH))
    with backing_services() as services:
        environment = clean_environment(data_dir, **services, **WITH_FAULT_TOOLS)
        server = launch(data_dir, environment, ["--workers", "8", "--graphs", str(graphs)])
        try:
            campaign = GraphCampaign(server, random.Random(seed), runs)
            campaign.fire(kills)
            campaign.finish()
        except BaseException:
            server.kill()
            raise
        if (code := server.stop()) != 0:
            campaign.broken.append(f"the last server ended with {code}")
        return campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--runs", type=int, default=8, help="how many to keep going at a time")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    data_dir = Path(tempfile.mkdtemp(prefix="starport-graph-kill-"))
    campaign = run_graph_campaign(
        kills=options.kills, runs=options.runs, seed=options.seed, data_dir=data_dir
    )
    facts = f"{campaign.kills} kills, {len(campaign.accepted)} runs, {campaign.takeovers} takeovers"
    print(f"seed {options.seed}, data in {data_dir}\n{facts}")  # noqa: T201
    print("\n".join([f"{len(campaign.broken)} promises broken", *campaign.broken[:20]]))  # noqa: T201
    return 1 if campaign.broken else 0


if __name__ == "__main__":
    sys.exit(main())
