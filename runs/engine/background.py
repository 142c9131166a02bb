"""An engine for processes without an event loop of their own: Celery workers.

One thread per process runs the loop; any number of worker threads hand it runs and wait.
"""

import asyncio
import os
import socket
import threading
from concurrent.futures import CancelledError, Future
from contextlib import suppress

from django.conf import settings

from runs import dispatch, news
from runs.engine.service import Engine
from runs.live import hub
from runs.services.queue import claim_run


class BackgroundEngine:
    """Runs an `Engine` in a thread of its own."""

    def __init__(self) -> None:
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._drained: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise RuntimeError("the engine of this process could not start") from self._failure

    def execute_by_id(self, run_id: str) -> None:
        """Claim and execute one run; returns when it ended, waits, or somebody else has it."""
        run = claim_run(run_id=run_id, owner=self._owner)
        if run is None:
            return
        work = self._engine.execute(run, has_mail=run.head_seq > 0)
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def begin_drain(self) -> None:
        """Let running steps end and give their runs back, while the worker threads still wait."""
        drained = self._engine.drain(settings.STARPORT_DRAIN_SECONDS)
        self._drained = asyncio.run_coroutine_threadsafe(drained, self._loop)

    def stop(self) -> None:
        """Drain: what does not end in time goes back to the queue."""
        if self._drained is None:
            self.begin_drain()
        if self._drained is not None:
            with suppress(CancelledError):  # by the loop's own end, when there was nothing left
                self._drained.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except Exception as error:
            self._failure = error
            return
        finally:
            self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        self._engine = Engine(workers=settings.STARPORT_WORKERS, owner=self._owner)
        await self._engine.start(claims=False)
        dispatch.set_engine(self._engine)
        if settings.REDIS_URL:
            self._listener = asyncio.create_task(news.Listener(hub, self._engine).run())


_lock = threading.Lock()
_background: BackgroundEngine | None = None


def background_engine() -> BackgroundEngine:
    """The engine of this process, started at first use: a pre-forking parent must not own it."""
    global _background
    with _lock:
        if _background is None:
            _background = BackgroundEngine()
        return _background


def begin_drain() -> None:
    """The process was told to stop: drain the engine, if one was ever started."""
    if _background is not None:
        _background.begin_drain()


def stop() -> None:
    """The worker's tasks have ended: finish the drain and stop the engine, if there is one.

    Not left to `atexit`: by then the interpreter accepts no more work for threads, and a drain
    ends with a write in one.
    """
    global _background
    with _lock:
        if _background is not None:
            _background.stop()
            _background = None
