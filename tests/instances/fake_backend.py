"""A backend of instances on loopback: real HTTP, instances in memory, faults on demand.

It speaks G1 (`/instances…`), or G2 (`/api/v1/instances…`, `stop`, `lines`, RFC 3339 times, `zone`,
secrets) with `generation=2`. One thread with an event loop serves it, so thousands of requests a
second cost little. Tests change its instances directly; nothing of it is locked but the requests.

    backend = FakeBackend(key="…")
    bot = backend.add(name="bot")
    backend.fail("health", Slow(2), times=1)
    …
    backend.wait_for("restart")
    backend.close()
"""

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.instances.fake_instance import FakeInstance
from tests.instances.faults import LAST_CHUNK, Answer, Fault, chunk_of, commit, head_of

KEPT_REQUESTS = 20_000
PATIENCE_SECONDS = 30.0  # far more than anything here takes; a machine may be busy


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it came."""

    operation: str  # list, create, get, kill, pause, restart, health, logs, ssh; "" for no such
    instance_id: str
    method: str
    path: str  # percent-encoded, without the query
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: float  # monotonic


class FakeBackend:
    """Listens from the start. `url` is what a client is configured with."""

    def __init__(self, *, key: str = "", generation: int = 1) -> None:
        self.key = key
        self.generation = generation
        self.prefix = "/api/v1" if generation == 2 else ""  # of all its paths
        self.instances: dict[str, FakeInstance] = {}
        self.requests: deque[Seen] = deque(maxlen=KEPT_REQUESTS)
        self.counts: Counter[str] = Counter()  # requests by operation
        self.lists_health = False  # whether objects carry their health
        self.keeps_killed = False  # whether a killed one stays, as `stopped`
        self.knows_follow = True  # whether `follow=false` ends a log
        self._faults: dict[str, tuple[Fault, int | None]] = {}
        self._changed = threading.Condition()
        self._next_id = 1
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._log_grew: set[asyncio.Event] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self.prefix}"

    @property
    def followers(self) -> int:
        """Log streams that are open."""
        return len(self._log_grew)

    # --- What a test does -----------------------------------------------------------------------

    def add(self, name: str | None = None, **fields: Any) -> FakeInstance:
        """One more instance, running unless told otherwise."""
        now = int(time.time())
        fields.setdefault("id", f"inst-{self._next_id:04d}")
        self._next_id += 1
        facts = {"region": None, "status": "running", "created_at": now, "updated_at": now}
        instance = FakeInstance(name=name, **{**facts, **fields})
        instance.ssh = instance.ssh or {"host": "127.0.0.1", "port": 2222, "user": "agent"}
        self.instances[instance.id] = instance
        return instance

    def say(self, instance: FakeInstance, message: str, level: str = "info") -> None:
        """A line of its log, also to those who follow it."""
        entry = {"timestamp": int(time.time()), "level": level, "message": message}
        instance.log.append(json.dumps(entry).encode())
        self._loop.call_soon_threadsafe(self._wake_followers)

    def fail(self, operation: str, fault: Fault, *, times: int | None = None) -> None:
        """From now on, or so many times; `*` is every operation without a fault of its own."""
        self._faults[operation] = (fault, times)

    def heal(self) -> None:
        """All faults end."""
        self._faults.clear()

    def listen(self) -> None:
        """On the port it had before, if any."""
        self._run(self._listen())

    def refuse(self) -> None:
        """Nobody listens any more, and open connections end. `listen` undoes it."""
        self._run(self._hang_up())

    def reset(self) -> None:
        """As if it were new: no instances, requests or faults."""
        self.heal()
        self.instances.clear()
        self.requests.clear()
        self.counts.clear()
        self.lists_health = self.keeps_killed = False
        self.knows_follow = True

    def close(self) -> None:
        self._run(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def seen(self, operation: str) -> list[Seen]:
        with self._changed:
            return [request for request in self.requests if request.operation == operation]

    def wait_for(self, operation: str, *, count: int = 1) -> list[Seen]:
        """Until there were that many requests of a kind."""
        with self._changed:
            enough = self._changed.wait_for(
                lambda: self.counts[operation] >= count, PATIENCE_SECONDS
            )
        assert enough, self.counts
        return self.seen(operation)

    # --- What a backend does --------------------------------------------------------------------

    def _answer(self, request: Seen) -> Answer:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return Answer(401, {"error": "Unauthorized"})
        if request.operation == "list":
            return Answer(200, [self._object_of(one) for one in list(self.instances.values())])
        if request.operation == "create":
            wanted = json.loads(request.body or b"{}")
            made = self.add(wanted.get("name"), region=wanted.get("region"), status="creating")
            return Answer(201, self._object_of(made))
        instance = self.instances.get(request.instance_id)
        if instance is None or not request.operation:
            return Answer(404, {"error": "Not found"})
        return self._answer_about(instance, request.operation)

    def _answer_about(self, instance: FakeInstance, operation: str) -> Answer:
        match operation:
            case "get":
                return Answer(200, self._object_of(instance))
            case "health":
                return Answer(200, instance.health())
            case "ssh":
                return Answer(200, instance.ssh)
            case "logs":
                return Answer(200)
            case "kill":
                instance.status = "deleted" if self.generation == 2 else "stopped"
                if not self.keeps_killed:
                    del self.instances[instance.id]
                return Answer(204)
            case "pause":
                instance.status = "stopped" if self.generation == 2 else "paused"
            case "restart":
                instance.status = "running"
                if instance.restart_heals:
                    instance.heartbeat_at = None
        instance.updated_at = int(time.time())
        return Answer(200, {"status": instance.status})

    def _object_of(self, instance: FakeInstance) -> dict[str, Any]:
        form = instance.as_g2() if self.generation == 2 else instance.as_g1()
        return {**form, "health": instance.health()} if self.lists_health else form

    async def _send_log(
        self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """The last lines, then those that come, until somebody ends it."""
        instance = self.instances[request.instance_id]
        count = request.query.get("lines" if self.generation == 2 else "tail", "50")
        ends = self.knows_follow and request.query.get("follow") == "false"
        grew = asyncio.Event()
        self._log_grew.add(grew)
        headers = {"Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}
        writer.write(head_of(200, headers))
        sent = max(0, len(instance.log) - int(count))
        try:
            while not reader.at_eof() and not writer.transport.is_closing():
                grew.clear()
                lines, sent = instance.log[sent:], len(instance.log)
                if lines:
                    writer.write(chunk_of(b"".join(line + b"\n" for line in lines)))
                    await writer.drain()
                if ends:
                    writer.write(LAST_CHUNK)
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):  # and look whether anybody listens
                        await grew.wait()
        finally:
            self._log_grew.discard(grew)

    def _wake_followers(self) -> None:
        for event in self._log_grew:
            event.set()

    # --- HTTP -----------------------------------------------------------------------------------

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while not writer.transport.is_closing():
                if not await self._serve_one(await self._read(reader), reader, writer):
                    return
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # the client left, or this backend refuses to go on
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(
        self, request: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection can be used again."""
        with self._changed:
            self.requests.append(request)
            self.counts[request.operation] += 1
            self._changed.notify_all()
        fault = self._fault_of(request.operation)
        if fault is not None and (outcome := await commit(fault, writer)) != "answer":
            return outcome == "reuse"
        answer = self._answer(request)
        if request.operation == "logs" and answer.status == 200:
            await self._send_log(request, reader, writer)
        else:
            writer.write(answer.as_bytes())
        await writer.drain()
        return True

    def _fault_of(self, operation: str) -> Fault | None:
        name = operation if operation in self._faults else "*"
        if name not in self._faults:
            return None
        fault, times = self._faults[name]
        if times == 1:
            del self._faults[name]
        elif times is not None:
            self._faults[name] = (fault, times - 1)
        return fault

    async def _read(self, reader: asyncio.StreamReader) -> Seen:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        parts = urlsplit(target)
        operation, instance_id = self._operation(method, parts.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        at = time.monotonic()
        return Seen(operation, instance_id, method, parts.path, query, headers, body, at)

    def _operation(self, method: str, path: str) -> tuple[str, str]:
        prefix = f"{self.prefix}/instances"
        if path == prefix:
            return {"GET": "list", "POST": "create"}.get(method, ""), ""
        if not path.startswith(f"{prefix}/"):
            return "", ""
        instance_id, _, verb = path.removeprefix(f"{prefix}/").partition("/")
        pause = "stop" if self.generation == 2 else "pause"
        operations = {
            ("GET", ""): "get",
            ("DELETE", ""): "kill",
            ("POST", pause): "pause",
            ("POST", "restart"): "restart",
            ("GET", "health"): "health",
            ("GET", "logs"): "logs",
            ("GET", "ssh"): "ssh",
        }
        return operations.get((method, verb), ""), unquote(instance_id)

    # --- Its thread -----------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)
