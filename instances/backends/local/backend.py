"""`LocalBackend`: what can be done with the instances of one folder."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from django.conf import settings

from instances.backends.local import logfile, measuring, ports, processes
from instances.backends.local.homes import (
    Home,
    Record,
    all_homes,
    find_home,
    folder_locked,
    new_home,
    place_of,
    remove_home,
)
from instances.backends.local.limits import grace_seconds, patience_seconds
from instances.backends.local.naming import checked, new_id
from instances.backends.local.probe import Probe
from instances.backends.local.reports import report_of
from instances.errors import (
    BackendBusy,
    BackendFailed,
    InstanceNotFound,
    NotSupported,
    RequestRefused,
)
from instances.logs import LogParser
from instances.objects import Health, Listing, LogEntry, Report, SshAccess, Status
from project.lib.draining import is_draining

#: For the ends of one that is killed: what it would still write is removed with it.
_KILL_GRACE_SECONDS = 3.0
_HEARTBEAT_SECONDS = 2  # a heartbeat that is newer by less is not written down
_MEGABYTE = 1024 * 1024


class LocalBackend:
    """Runs instances as processes of this machine, below `folder`."""

    kind = "local"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._probe = Probe()
        with _complaints_of_the_machine():
            self.place = place_of(folder)

    @property
    def restart_seconds(self) -> float:
        return patience_seconds()

    async def aclose(self) -> None:
        await self._probe.aclose()

    async def list_instances(self) -> Listing:
        with _complaints_of_the_machine():
            homes = await asyncio.to_thread(all_homes, self._folder)
            found = await asyncio.gather(*(self._report_if_there(home) for home in homes))
        there = filter(None, found)
        return Listing(sorted(there, key=lambda report: (report.created_at, report.id)))

    async def create(self, *, name: str | None, region: str | None) -> Report:
        name, region = checked(name, "name"), checked(region, "region")
        _refuse_when_draining()
        with _complaints_of_the_machine():
            home = await self._make_home(name, region)
            try:
                async with home.locked():
                    await self._start(home, home.read())
            except Exception:
                await asyncio.to_thread(remove_home, home)  # it has done nothing yet
                raise
        return await self.get(home.id)

    async def get(self, instance_id: str) -> Report:
        with _complaints_of_the_machine():
            return await self._report(find_home(self._folder, instance_id))

    async def kill(self, instance_id: str) -> None:
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            async with home.locked():
                mark = _mark_for_removal(home)
                await _end(home, mark, _KILL_GRACE_SECONDS)
                await asyncio.to_thread(remove_home, home)
        measuring.forget(home.path)

    async def pause(self, instance_id: str) -> None:
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            async with home.locked():
                # First, so that nobody starts it meanwhile because it should be running.
                record = _changed(home, _existing(home), wanted="paused", is_halted=False)
                await self._end_all_of(home, record)

    async def restart(self, instance_id: str, *, only_running: bool = False) -> None:
        _refuse_when_draining()
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            async with home.locked():
                record = _existing(home)
                if only_running and record.wanted != "running":
                    raise RequestRefused("it has been paused meanwhile", status=409)
                await _end(home, record.process, grace_seconds())
                await self._start(home, record)

    async def halt(self, instance_id: str) -> None:
        """Stop a running one for as long as its server is away."""
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            async with home.locked():
                record = _existing(home)
                if record.wanted == "running":
                    record = _changed(home, record, is_halted=True, trouble="")
                await self._end_all_of(home, record)

    async def finish_pause(self, instance_id: str) -> None:
        """Of one whose pause was cut in half, if it is not to run again."""
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            async with home.locked():
                record = _existing(home)
                if record.wanted == "paused":
                    await self._end_all_of(home, record)

    async def resume(self, instance_id: str) -> bool:
        """Start one that should be running and is not; True when it was."""
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            async with home.locked():
                record = _existing(home)
                if record.wanted != "running" or await _process_of(home, record):
                    return False
                try:
                    with _complaints_of_the_machine():
                        await self._start(home, record)
                except BackendFailed as error:
                    _changed(home, record, trouble=str(error))
                    raise
        return True

    async def look_after(self, instance_id: str) -> bool:
        """Keep its log small and notice its first answer. True when there is nothing to wait for:
        it answers, or it has ended.
        """
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            await asyncio.to_thread(logfile.rotate, home.log)
            record = _existing(home)
            process = await _process_of(home, record)
            if process is not None and record.last_heartbeat <= record.started_at:
                record = await self._ask(home, record)  # it has not answered since it was started
        return process is None or record.last_heartbeat > record.started_at

    async def health(self, instance_id: str) -> Health:
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            record = _existing(home)
            process = await _process_of(home, record)
            disk = await asyncio.to_thread(measuring.bytes_on_disk, home.path)
            cpu, memory = 0.0, 0
            if process is not None:
                record, (cpu, memory) = await asyncio.gather(
                    self._ask(home, record), processes.measure(process)
                )
        return Health(
            cpu_percent=round(cpu, 1),
            memory_mb=_megabytes(memory),
            disk_mb=_megabytes(disk),
            last_heartbeat=record.last_heartbeat,
            uptime_secs=processes.uptime(process) if process else 0,
        )

    async def logs(
        self, instance_id: str, *, tail: int, follow: bool = False
    ) -> AsyncGenerator[LogEntry, None]:
        with _complaints_of_the_machine():
            home = find_home(self._folder, instance_id)
            with closing(logfile.LogReader(home.log)) as reader:
                parser = LogParser()
                entries = parser.feed(await asyncio.to_thread(reader.tail, tail))
                for entry in entries if follow else [*entries, *parser.finish()]:
                    yield entry
                if follow:
                    async for piece in reader.follow():
                        for entry in parser.feed(piece):
                            yield entry

    async def ssh_access(self, instance_id: str) -> SshAccess:
        find_home(self._folder, instance_id)
        raise NotSupported(
            "instances of this machine have no SSH server: log in to the machine itself; "
            f"the data of this one lie in instances/{instance_id}/data"
        )

    async def _make_home(self, name: str | None, region: str | None) -> Home:
        async with folder_locked(self._folder):
            others = [_record_if_readable(home) for home in all_homes(self._folder)]
            if len(others) >= settings.STARPORT_INSTANCE_LIMIT:
                raise RequestRefused(
                    f"this machine runs at most {settings.STARPORT_INSTANCE_LIMIT} instances "
                    "(STARPORT_INSTANCE_LIMIT)",
                    status=409,
                )
            now = int(time.time())
            record = Record(
                id=new_id(name),
                name=name,
                region=region,
                port=ports.choose({other.port for other in others if other}),
                created_at=now,
                updated_at=now,
            )
            with new_home(self._folder, record.id) as home:
                home.write(record)
        return Home(self._folder / record.id)

    async def _end_all_of(self, home: Home, record: Record) -> None:
        await _end(home, record.process, grace_seconds())
        if record.process is not None:
            _changed(home, record, process=None)

    async def _start(self, home: Home, record: Record) -> None:
        """The caller holds the lock, and no process of it is left."""
        await ports.until_free(record.port)
        _refuse_when_draining()  # whoever stops the instances now waits for this lock
        record = _changed(home, record, wanted="running", is_halted=False, trouble="", process=None)
        started = asyncio.create_task(asyncio.to_thread(_start_process, home, record))
        try:
            await asyncio.shield(started)
        finally:
            await started  # also for a caller who leaves: a process that nobody knows would stay

    async def _report_if_there(self, home: Home) -> Report | None:
        try:
            return await self._report(home)
        except InstanceNotFound:
            return None
        except BackendFailed as error:
            made = int(home.path.stat().st_mtime)
            return Report(home.id, Status.ERROR, made, made, error=str(error))

    async def _report(self, home: Home) -> Report:
        """Of those that run none is asked, so that one which hangs holds up no list."""
        record = _existing(home)
        process = await _process_of(home, record)
        if process is not None and not record.has_answered:
            record = await self._ask(home, record)
        return report_of(record, is_alive=process is not None)

    async def _ask(self, home: Home, record: Record) -> Record:
        """The record, with a new heartbeat if the instance gives a sign of life."""
        if not await self._probe.answers(record.port):
            return record
        heard = _with_heartbeat(record, int(time.time()))
        await asyncio.to_thread(_remember_heartbeat, home, heard)
        return heard


def _refuse_when_draining() -> None:
    """What is started by a server that stops its instances would be left to nobody."""
    if is_draining():
        raise BackendBusy("this server is stopping, and starts no instance any more")


def _start_process(home: Home, record: Record) -> None:
    logfile.note(home.log, f"starting on port {record.port}")
    mark = processes.start(data=home.data, port=record.port, log=home.log)
    now = int(time.time())
    try:
        _changed(home, record, process=mark, started_at=now, last_heartbeat=now)
    except BaseException:
        processes.abort(mark)  # nobody would know it
        raise


def _with_heartbeat(record: Record, now: int) -> Record:
    changes: dict[str, object] = {"last_heartbeat": now, "has_answered": True}
    if not record.has_answered:  # and so it is `running` from now on
        changes["updated_at"] = now
    return record.model_copy(update=changes)


def _remember_heartbeat(home: Home, heard: Record) -> None:
    """Unless somebody works on the instance; then a heartbeat more or less says nothing."""
    with home.locked_if_free() as is_free:
        if not is_free:
            return
        record = home.read()
        is_news = heard.last_heartbeat >= record.last_heartbeat + _HEARTBEAT_SECONDS
        if record.process == heard.process and (is_news or not record.has_answered):
            home.write(_with_heartbeat(record, heard.last_heartbeat))


def _existing(home: Home) -> Record:
    record = home.read()
    if record.wanted == "gone":  # whoever removed it did not come to the end
        raise InstanceNotFound("no such instance")
    return record


def _mark_for_removal(home: Home) -> processes.ProcessMark | None:
    """So that nobody starts it again, whatever becomes of us. A damaged record is no obstacle."""
    record = _record_if_readable(home)
    if record is None:
        return None
    return _changed(home, record, wanted="gone").process


def _record_if_readable(home: Home) -> Record | None:
    try:
        return home.read()
    except (BackendFailed, InstanceNotFound):
        return None


def _changed(home: Home, record: Record, **changes: object) -> Record:
    """The caller holds the lock."""
    changed = record.model_copy(update={**changes, "updated_at": int(time.time())})
    home.write(changed)
    return changed


async def _process_of(home: Home, record: Record) -> psutil.Process | None:
    return await asyncio.to_thread(processes.find, record.process, home.data)


async def _end(home: Home, mark: processes.ProcessMark | None, grace: float) -> None:
    process = await asyncio.to_thread(processes.find, mark, home.data)
    if process is not None:
        is_in_order = await processes.end(process, grace_seconds=grace)
        logfile.note(home.log, "stopped" if is_in_order else "stopped by force: it did not react")


def _megabytes(size: int) -> int:
    return round(size / _MEGABYTE)


@contextmanager
def _complaints_of_the_machine() -> Iterator[None]:
    """No space, no more processes, a folder that may not be written: without paths."""
    try:
        yield
    except OSError as error:
        raise BackendFailed(f"this machine refuses: {error.strerror or 'I/O error'}") from error
