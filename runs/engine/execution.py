"""One run in the hands of this process: from its lease to its end, its wait, or its return."""

import asyncio
import logging

from project.lib.pool import in_database_thread
from runs import metrics, open_text
from runs.engine.journal import LiveJournal, StateT
from runs.engine.outcomes import observe_terminal
from runs.engine.programs import Program, program_of
from runs.engine.tool_calls import Caller
from runs.errors import LeaseLost, RunsError
from runs.event_types import Payload, RunPaused, UserMessageAppended
from runs.graphs.registry import get_version, version_in_memory
from runs.log.append import MailWaiting, RunTail, Staged
from runs.log.events import StoredEvent
from runs.log.read import walk_events
from runs.log.writer import GroupCommitWriter
from runs.models import MailboxItem, Run
from runs.services.first_event import unstartable
from runs.services.principals import capabilities_of_creator
from runs.services.queue import take_mail
from runs.tools.base import Tool

logger = logging.getLogger(__name__)


class Execution:
    """Executes one leased run. `drop` and `tell_mail` may be called from the engine's loop."""

    def __init__(self, run: Run, writer: GroupCommitWriter, *, has_mail: bool) -> None:
        self.run = run
        self.is_draining = False
        self.wake_ns: int | None = None  # when a run that this execution left has to go on
        self._writer = writer
        self._has_mail = has_mail
        self._caller: Caller | None = None
        self._dropped = False
        self._task: asyncio.Task[None] | None = None

    async def execute(self) -> None:
        """Run to the next end or wait. Never raises; what went wrong is in the log or logged."""
        self._task = asyncio.current_task()
        try:
            await self._execute()
        except LeaseLost:
            logger.info("lease lost, stopping", extra={"run_id": self.run.id})
        except RunsError as error:
            await self._fail(str(error))  # its graph, model, tools or prompt cannot be used
        except asyncio.CancelledError:
            if self._task is not None and not self._task.cancelling():
                # Nobody cancelled us: it escaped from a model client's own work. Left alone, the
                # run would be taken over and cut off again for ever.
                logger.exception("a run could not be executed", extra={"run_id": self.run.id})
                await self._fail("internal error")
            elif not self._dropped:
                logger.warning("a run was cut off", extra={"run_id": self.run.id})
        except Exception:
            logger.exception("a run could not be executed", extra={"run_id": self.run.id})
            await self._fail("internal error")
        finally:
            open_text.forget(self.run.id)

    def drop(self) -> None:
        """Stop at once: the run was cancelled or belongs to another worker now."""
        self._dropped = True
        if self._task is not None:
            self._task.cancel()

    def tell_mail(self) -> None:
        """There is something in the run's mailbox; read it at the next boundary."""
        self._has_mail = True

    async def _execute(self) -> None:
        version = (self.run.graph_id, self.run.version_hash)
        graph = version_in_memory(*version)
        if graph is None:  # hardly ever: a hop to a thread is what most runs can do without
            graph = await in_database_thread(get_version, *version)
        program = program_of(self, graph)
        await self._open(program)
        if program.journal.tail.projection.head_seq == 0:
            metrics.runs_started.inc()
            program.journal.record(program.first_event())
        else:
            program.take_over()
        try:
            await program.drive()
        except MailWaiting as waiting:
            await self._go_on_with_mail(program, waiting.refused)
        tail = program.journal.tail
        self.wake_ns = tail.projection.wake_ns
        if tail.terminal is not None:
            observe_terminal(self.run.id, tail.terminal, tail.projection.duration_ms)

    async def _go_on_with_mail(self, program: Program, refused: Staged) -> None:
        """Mail came in unnoticed before the run could complete: keep the answer, go on with it."""
        while True:
            await self._reopen(program)
            for event in refused.events:
                if not event.is_terminal:
                    program.journal.record(event.typed())
            self._has_mail = True
            try:
                await program.drive()
            except MailWaiting as waiting:
                refused = waiting.refused
            else:
                return

    async def _open(self, program: Program) -> None:
        if self.run.head_seq == 0:
            program.open(RunTail(self.run.id, self.run.lease_token), (), self._writer)
        else:
            await self._reopen(program)

    async def _reopen(self, program: Program) -> None:
        tail, events = await in_database_thread(_read_log, self.run)
        program.open(tail, events, self._writer)

    async def _fail(self, error: str) -> None:
        """End the run as an error of ours, from whatever its log says by now."""
        try:
            tail, _ = await in_database_thread(_read_log, self.run)
            if tail.projection.terminal_kind is None:
                if tail.projection.head_seq == 0:
                    tail.add(unstartable(self.run))
                tail.add_failed(error, "internal")
                await self._writer.append(tail.stage())
                if tail.terminal is not None:
                    observe_terminal(self.run.id, tail.terminal, tail.projection.duration_ms)
        except LeaseLost:
            return
        except Exception:
            logger.exception("the failure could not be recorded", extra={"run_id": self.run.id})

    async def caller(self, tool: Tool | None) -> Caller:
        """On whose behalf a tool runs. Capabilities cost a query, and only some tools need any."""
        needs = bool(tool is not None and tool.permissions)
        if self._caller is None or (needs and not self._caller.capabilities):
            run = self.run
            granted = (
                await in_database_thread(capabilities_of_creator, run) if needs else frozenset()
            )
            self._caller = Caller(run.id, run.actor, run.creator_id, granted)
        return self._caller

    async def boundary(self, journal: LiveJournal[StateT]) -> bool:
        """Between two steps. True when the loop must stop: paused, or the process drains."""
        if self._has_mail:
            self._has_mail = False
            await self._take_in_mail(journal)
        return self.is_draining or journal.state.is_paused

    async def _take_in_mail(self, journal: LiveJournal[StateT]) -> None:
        items = await in_database_thread(take_mail, self.run.id)
        for item in items:
            payload = _payload_of(item)
            if isinstance(payload, RunPaused) and journal.state.is_paused:
                continue  # asked twice
            if payload is not None:
                journal.record(payload)
        journal.consume_mail([item.id for item in items])
        await journal.commit()


def _payload_of(item: MailboxItem) -> Payload | None:
    match item.kind:
        case MailboxItem.Kind.PAUSE:
            return RunPaused(item.body.get("actor", ""), item.body.get("reason", ""))
        case MailboxItem.Kind.INJECT:
            return UserMessageAppended(item.body["content"])
    return None


def _read_log(run: Run) -> tuple[RunTail, list[StoredEvent]]:
    fresh = Run.objects.get(pk=run.pk)
    return RunTail.load(fresh, lease_token=run.lease_token), list(walk_events(run.id))
