"""The queue between the requests and the chain."""

import atexit
import logging
import os
import threading
import time
from collections import deque

from django.conf import settings
from django.db import close_old_connections

from accounts.audit.chain import append
from accounts.audit.records import Fact

logger = logging.getLogger(__name__)

CAPACITY = 20_000  # facts; beyond it whoever records one stores the backlog first
BATCH = 500  # facts per transaction: bounds how long a writer of events waits for us
RETRY_SECONDS = 1.0  # after the database refused a batch


class AuditQueue:
    """Thread-safe. Facts are stored about in the order they were put; each has its own time."""

    def __init__(self) -> None:
        self._reset()
        atexit.register(self._at_exit)
        # A forked child has neither the thread nor the duty to store its parent's facts.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._facts: deque[Fact] = deque()
        self._wake = threading.Event()
        self._landed = threading.Condition()
        self._in_flight = 0  # batches taken out and not yet stored
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, fact: Fact) -> None:
        self._facts.append(fact)
        if len(self._facts) > CAPACITY:
            self._store_all()
        elif not self._wake.is_set():
            self._wake.set()
            self._ensure_thread()

    def flush(self) -> None:
        """Return when all that was queued is stored.

        Raises `DatabaseError` if that fails; nothing is lost then. Not for callers inside a
        transaction: they might hold what the storing thread waits for.
        """
        while self._facts or self._in_flight:
            self._store_all()
            with self._landed:
                self._landed.wait_for(lambda: not self._in_flight)

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(settings.STARPORT_AUDIT_FLUSH_MS / 1000)
            # Cleared before storing: a fact put from here on wakes the next round.
            self._wake.clear()
            try:
                close_old_connections()  # a broken one; a healthy one stays
                self._store_all()
            except Exception:
                # Outermost loop. The facts are still queued; callers take over when it is full.
                logger.exception("audit records could not be stored, trying again")
                time.sleep(RETRY_SECONDS)
                self._wake.set()

    def _store_all(self) -> None:
        while facts := self._take():
            try:
                append(facts)
            except BaseException:
                self._facts.extendleft(reversed(facts))
                raise
            finally:
                with self._landed:
                    self._in_flight -= 1
                    self._landed.notify_all()

    def _take(self) -> list[Fact]:
        """The oldest facts, at most `BATCH`; counted as in flight unless there are none."""
        with self._landed:
            facts = [self._facts.popleft() for _ in range(min(BATCH, len(self._facts)))]
            self._in_flight += bool(facts)
            return facts

    def _at_exit(self) -> None:
        try:
            self.flush()
        except Exception:
            logger.exception("audit records were lost at exit")
