"""Many sockets that chat at once on one server, and a server that is killed in the middle of it.

    python -m tests.e2e.chat_load --sockets 200 --deltas 60 --per-second 20

Every client must end with exactly the text of its script, in order, and so must its transcript.
Printed is how late pieces of text came, measured from the piece before them: what engine, log,
hub and socket together add to the pace of the model. The exit code is 0 when nothing was lost.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.server import (
    RunningServer,
    backing_services,
    clean_environment,
    launch,
)

PATIENCE_SECONDS = 180.0
RECONNECT_SECONDS = 0.2


@dataclass
class Client:
    """One conversation: what was received of it, and when."""

    number: int
    deltas: int
    per_second: float
    session_id: str = ""
    run_id: str = ""
    after: int = 0
    pieces: list[tuple[int, str]] = field(default_factory=list)  # seq and text
    late_ms: list[float] = field(default_factory=list)
    is_over: bool = False
    _last_at: float = 0.0

    @property
    def script(self) -> str:
        pause = f"!sleep {1 / self.per_second}"
        lines = (f"{pause}\n!say {self.number}.{n}" for n in range(self.deltas))
        return "\n".join(lines)

    @property
    def expected(self) -> str:
        return "\n".join(f"{self.number}.{n}" for n in range(self.deltas))

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces)

    async def chat(self, server: RunningServer, begun: asyncio.Semaphore) -> None:
        """Until the end of the answer, however often the server is killed."""
        while True:
            url = f"{server.url.replace('http', 'ws', 1)}/ws?token={server.admin_key}"
            try:
                async with connect(url, max_size=None, open_timeout=PATIENCE_SECONDS) as socket:
                    await self._say_or_resume(socket)
                    async for frame in socket:
                        self._take(json.loads(frame), begun)
                        if self.is_over:
                            return
            except (OSError, WebSocketException, TimeoutError):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _say_or_resume(self, socket: ClientConnection) -> None:
        self._last_at = 0.0
        if not self.run_id:
            key = f"load-{self.number}"
            frame: dict[str, object] = {
                "type": "message",
                "text": self.script,
                "channel_session_key": key,
            }
        else:
            # What streamed since the last event comes again as a whole.
            self.pieces = [piece for piece in self.pieces if piece[0] != self.after]
            frame = {
                "type": "resume",
                "session_id": self.session_id,
                "run_id": self.run_id,
                "after": self.after,
            }
        await socket.send(json.dumps(frame))

    def _take(self, frame: dict[str, object], begun: asyncio.Semaphore) -> None:
        kind = frame["type"]
        if kind == "stream_start" and not self.run_id:
            self.session_id, self.run_id = str(frame["session_id"]), str(frame["run_id"])
            begun.release()
        elif kind == "text_delta":
            self._note_delay()
            self.pieces.append((int(str(frame["seq"])), str(frame["text"])))
        elif kind == "stream_end":
            self.is_over = True
        if "seq" in frame:
            self.after = int(str(frame["seq"]))

    def _note_delay(self) -> None:
        now = time.perf_counter()
        if self._last_at:
            self.late_ms.append(max(0.0, (now - self._last_at - 1 / self.per_second) * 1000))
        self._last_at = now


@dataclass
class Load:
    clients: list[Client]
    broken: list[str] = field(default_factory=list)  # promises, as sentences
    late_ms: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.late_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def run_load(
    *, sockets: int, deltas: int, per_second: float, data_dir: Path, with_kill: bool
) -> Load:
    """One load on a fresh server; `with_kill` cuts it off in the middle and starts it again."""
    with backing_services() as services:
        environment = clean_environment(data_dir, **services)
        flags = ["--workers", str(sockets), "--queue", str(2 * sockets)]
        server = launch(data_dir, environment, flags)
        clients = [Client(number, deltas, per_second) for number in range(sockets)]
        load = Load(clients)
        try:
            asyncio.run(_drive(server, clients, deltas / per_second, with_kill=with_kill))
            _check(server, load)
        finally:
            server.stop()
    return load


async def _drive(
    server: RunningServer, clients: list[Client], seconds: float, *, with_kill: bool
) -> None:
    begun = asyncio.Semaphore(0)
    async with asyncio.timeout(PATIENCE_SECONDS + seconds):
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.chat(server, begun))
            if with_kill:
                for _ in clients:
                    await begun.acquire()
                await asyncio.sleep(seconds / 3)  # into the middle of the answers
                os.kill(server.process.pid, signal.SIGKILL)
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start_again)


def _check(server: RunningServer, load: Load) -> None:
    with httpx.Client(
        base_url=server.url, headers={"X-API-Key": server.admin_key}, timeout=60.0
    ) as http:
        for client in load.clients:
            load.late_ms += client.late_ms
            if client.text != client.expected:
                load.broken.append(f"client {client.number} was told {client.text[-60:]!r}")
            rows = http.get(f"/api/sessions/{client.session_id}/messages").json()
            said = [row["content"] for row in rows]
            if said != [client.script, client.expected]:
                load.broken.append(f"the transcript of client {client.number} is {said[1:]!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--deltas", type=int, default=60)
    parser.add_argument("--per-second", type=float, default=20.0)
    options = parser.parse_args()
    failed = False
    for with_kill in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            load = run_load(
                sockets=options.sockets,
                deltas=options.deltas,
                per_second=options.per_second,
                data_dir=Path(folder),
                with_kill=with_kill,
            )
        failed = failed or bool(load.broken)
        what = "with kill -9" if with_kill else "undisturbed"
        mean = statistics.fmean(load.late_ms) if load.late_ms else 0.0
        print(  # noqa: T201 - it is a script
            f"{what}: {options.sockets} sockets, {len(load.late_ms)} deltas,"
            f" late by {mean:.1f} ms on average, p50 {load.percentile(0.5):.1f},"
            f" p99 {load.percentile(0.99):.1f} ms; {len(load.broken)} broken promises"
        )
        for sentence in load.broken[:10]:
            print(f"  {sentence}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
