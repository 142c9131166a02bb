"""An engine in this process, on the real database, with the scripted model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from project.lib.pool import in_database_thread
from runs import dispatch
from runs.engine.replay import load_recording, replay_run
from runs.engine.replay_journal import ReplayReport
from runs.engine.service import Engine
from runs.graphs.registry import register
from runs.log.events import StoredEvent
from runs.log.read import walk_events
from runs.log.validate import Verdict, validate_run
from runs.models import Run
from runs.services.starting import StartRequest, start_run
from runs.tools.base import Tool
from runs.tools.registry import get_registry


class Harness:
    """Starts runs, waits for them and reads their logs, from an async test."""

    def __init__(self) -> None:
        self.engines: list[Engine] = []

    async def start_engine(self, *, workers: int = 8, owner: str = "test") -> Engine:
        engine = Engine(workers=workers, owner=owner)
        await engine.start()
        dispatch.set_engine(engine)
        self.engines.append(engine)
        return engine

    async def stop(self) -> None:
        for engine in self.engines:
            await engine.drain(0.1)
        self.engines.clear()
        dispatch.set_engine(None)

    async def crash(self) -> None:
        """Stop the newest engine where it stands: no step ends, no lease is given back."""
        engine = self.engines.pop()
        for task in [*engine._chores, *engine._tasks]:
            task.cancel()
        await asyncio.gather(*engine._chores, *engine._tasks, return_exceptions=True)
        await asyncio.to_thread(engine.writer.close)

    async def submit(self, goal: str, **options: Any) -> str:
        request = StartRequest(goal, **options)
        started = await in_database_thread(start_run, request, actor="owner", user_id=None)
        return started.run_id

    async def run(self, goal: str, **options: Any) -> Run:
        """Start a run and wait until it has ended."""
        run_id = await self.submit(goal, **options)
        return await self.until(run_id, lambda run: run.is_finished)

    async def until(self, run_id: str, reached: Callable[[Run], bool]) -> Run:
        """Wait for a run's row to say so. A test that waits in vain is cut off by its runner."""
        while True:
            run = await self.get(run_id)
            if reached(run):
                return run
            await asyncio.sleep(0.01)

    async def until_event(self, run_id: str, kind: str, times: int = 1) -> list[StoredEvent]:
        """Wait until the log holds so many events of that kind; returns the log."""
        while True:
            events = await self.events(run_id)
            if sum(event.kind_name == kind for event in events) >= times:
                return events
            await asyncio.sleep(0.01)

    async def until_asked(self, run_id: str, prompt: str) -> None:
        """Wait until the run waits for an answer to this question."""
        while True:
            run = await self.get(run_id)
            if run.status == Run.Status.AWAITING_INPUT:
                newest = (await self.events(run_id))[-1]
                if newest.data.get("prompt") == prompt:
                    return
            await asyncio.sleep(0.01)

    async def get(self, run_id: str) -> Run:
        return await in_database_thread(Run.objects.get, pk=run_id)

    async def events(self, run_id: str) -> list[StoredEvent]:
        return await in_database_thread(lambda: list(walk_events(run_id)))

    async def kinds(self, run_id: str) -> list[str]:
        return [event.kind_name for event in await self.events(run_id)]

    async def validate(self, run_id: str) -> Verdict:
        return await in_database_thread(validate_run, run_id)

    async def replay(self, run_id: str) -> ReplayReport:
        return await replay_run(*await in_database_thread(load_recording, run_id))

    def add_graph(self, graph_id: str, **config: Any) -> str:
        """Register a graph of one agent node."""
        document = {
            "ir_version": "1.1.0",
            "id": graph_id,
            "nodes": [{"id": "agent", "kind": "agent", "config": config}],
        }
        return self.add_document(document)

    def add_document(self, document: dict[str, Any]) -> str:
        """Register a graph."""
        with ThreadPoolExecutor(1) as pool:  # not in the event loop's thread
            pool.submit(_register, document).result()
        return str(document["id"])


def _register(document: dict[str, Any]) -> None:
    try:
        register(document, source="test", actor="test")
    finally:
        connection.close()


@pytest.fixture
async def harness(transactional_db: None, settings: Any) -> AsyncIterator[Harness]:
    settings.MODEL_NAMES = ["scripted:scripted"]
    harness = Harness()
    await harness.start_engine()
    yield harness
    await harness.stop()


@pytest.fixture
def register_tool() -> Iterator[Callable[[Tool], Tool]]:
    """Registers tools for one test."""
    registry = get_registry()
    added: list[Tool] = []

    def register(tool: Tool) -> Tool:
        added.append(tool)
        registry.replace("tests", added)
        return tool

    yield register
    registry.replace("tests", [])
