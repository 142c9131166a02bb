"""What the local backend does with records and folders that are not as it left them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from instances.backends.local import LocalBackend, supervise
from instances.errors import BackendFailed, InstanceNotFound, RequestRefused
from instances.objects import Status
from tests.instances.local.machine import (
    hanging_instance,
    kill_what_is_left,
    lives,
    read_record,
    until,
    write_home,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "instances"
    folder.mkdir()
    return folder


@pytest.fixture
async def backend(folder: Path) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(folder)
    yield backend
    await backend.aclose()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Some program of this machine."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


async def test_a_process_that_only_has_the_number_is_left_alone(
    backend: LocalBackend, folder: Path, stranger: subprocess.Popen[bytes]
):
    write_home(folder, "mine", process={"pid": stranger.pid, "began": 0.0})

    assert (await backend.health("mine")).memory_mb == 0
    await backend.pause("mine")
    await backend.kill("mine")

    assert stranger.poll() is None


async def test_a_process_that_serves_something_else_is_left_alone(
    backend: LocalBackend, folder: Path, stranger: subprocess.Popen[bytes]
):
    began = psutil.Process(stranger.pid).create_time() - psutil.boot_time()
    home = write_home(folder, "mine", process={"pid": stranger.pid, "began": began})
    (home / "data" / "serve.lock").write_text(f"{stranger.pid}\n")

    await backend.pause("mine")
    await backend.kill("mine")

    assert stranger.poll() is None


async def test_a_process_that_nobody_wrote_down_is_found_by_the_lock_of_its_data(
    backend: LocalBackend, folder: Path
):
    home = write_home(folder, "mine")
    code = "import time; time.sleep(600)"
    unknown = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, "serve", "--data", str(home / "data"))
    )
    (home / "data" / "serve.lock").write_text(f"{unknown.pid}\n")

    await backend.pause("mine")

    assert await unknown.wait() != 0


@pytest.mark.parametrize("instance_id", ["..", ".", "", "../outside", "link", ".new-x", "a\0b"])
async def test_an_id_leads_nowhere_but_to_an_instance(
    backend: LocalBackend, folder: Path, instance_id: str
):
    outside = write_home(folder.parent, "outside")
    write_home(folder, ".new-x")
    (folder / "link").symlink_to(outside)

    for ask in (backend.get, backend.health, backend.pause, backend.restart, backend.kill):
        with pytest.raises(InstanceNotFound):
            await ask(instance_id)

    assert (outside / "instance.json").exists()
    assert await backend.list_instances() == []


async def test_killing_one_follows_no_link(backend: LocalBackend, folder: Path):
    outside = folder.parent / "precious"
    outside.mkdir()
    (outside / "file").write_text("kept")
    home = write_home(folder, "mine")
    (home / "data" / "files").symlink_to(outside)

    await backend.kill("mine")

    assert not home.exists()
    assert (outside / "file").read_text() == "kept"


async def test_there_are_no_more_than_the_limit(backend: LocalBackend, folder: Path, settings: Any):
    settings.STARPORT_INSTANCE_LIMIT = 2
    write_home(folder, "one")
    write_home(folder, "two")

    with pytest.raises(RequestRefused) as refused:
        await backend.create(name="three", region=None)

    assert refused.value.status == 409
    assert "at most 2 instances" in str(refused.value)
    assert [report.id for report in await backend.list_instances()] == ["one", "two"]


async def test_a_damaged_record_hides_no_other_and_can_be_removed(
    backend: LocalBackend, folder: Path
):
    write_home(folder, "sound")
    (write_home(folder, "torn") / "instance.json").write_text('{"id": "torn", "po')

    listed = {report.id: report for report in await backend.list_instances()}

    assert listed["sound"].status is Status.PAUSED
    assert listed["torn"].status is Status.ERROR
    assert "damaged" in listed["torn"].error
    with pytest.raises(BackendFailed):
        await backend.restart("torn")
    await backend.kill("torn")
    assert [report.id for report in await backend.list_instances()] == ["sound"]


async def test_a_port_that_somebody_else_took_is_told(backend: LocalBackend, folder: Path):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    write_home(folder, "mine", port=port)

    with pytest.raises(BackendFailed, match=f"port {port} .* another program"):
        await backend.restart("mine")

    server.close()
    await server.wait_closed()


async def test_a_folder_that_may_not_be_written_is_told_without_its_path(tmp_path: Path):
    (tmp_path / "instances").write_text("a file where the folder should be")

    with pytest.raises(BackendFailed) as refused:
        await LocalBackend(tmp_path / "instances").create(name=None, region=None)

    assert str(tmp_path) not in str(refused.value)


async def test_what_somebody_left_half_removed_is_removed_by_who_looks_after_the_folder(
    folder: Path,
):
    record = write_home(folder, "mine") / "instance.json"
    record.write_text(record.read_text().replace('"paused"', '"gone"'))
    (folder / ".gone-0123abcd-mine" / "data").mkdir(parents=True)
    (folder / ".new-0123abcd").mkdir()

    async with supervise(folder):
        await until_only(folder)


async def test_one_at_a_time_looks_after_a_folder(folder: Path):
    remains = folder / ".gone-0123abcd-mine"
    remains.mkdir()
    async with supervise(folder):
        await until_only(folder)  # it has begun, and will not sweep again
        remains.mkdir()

        async with supervise(folder):
            await asyncio.sleep(0.5)

        assert remains.exists()
    async with supervise(folder):
        await until_only(folder)


async def test_a_removal_that_was_cut_in_half_is_finished_while_a_server_lives(folder: Path):
    remains = folder / ".gone-0123abcd-other"
    remains.mkdir()
    async with supervise(folder):
        await until_only(folder)
        await asyncio.sleep(0.5)  # it has begun, and seen all there was

        write_home(folder, "mine", wanted="gone")

        await until_only(folder)


async def test_a_pause_that_was_cut_in_half_is_finished_while_a_server_lives(
    folder: Path, settings: Any
):
    settings.STARPORT_DRAIN_SECONDS = -7.0  # which leaves a second until SIGKILL
    with hanging_instance(folder, "mine") as process:
        record = read_record(folder, "mine")
        began = psutil.Process(process.pid).create_time() - psutil.boot_time()
        record |= {"wanted": "paused", "process": {"pid": process.pid, "began": began}}
        (folder / "mine" / "instance.json").write_text(json.dumps(record))

        async with supervise(folder):
            while lives(process.pid):
                await asyncio.sleep(0.05)


async def test_one_that_could_not_come_back_with_its_server_says_why_and_does_when_it_can(
    folder: Path,
):
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    home = write_home(folder, "mine", port=port, wanted="running", is_halted=True)
    backend = LocalBackend(folder)
    try:
        async with supervise(folder):
            while (report := await backend.get("mine")).status is not Status.ERROR:
                await asyncio.sleep(0.05)
            assert f"could not be started again: port {port}" in report.error

            other.close()
            await other.wait_closed()

            while (process := json.loads((home / "instance.json").read_text())["process"]) is None:
                await asyncio.sleep(0.05)
        until(lambda: not lives(process["pid"]))
    finally:
        kill_what_is_left(folder.parent)
        await backend.aclose()


async def test_the_monitor_restarts_none_that_was_paused_meanwhile(
    backend: LocalBackend, folder: Path
):
    home = write_home(folder, "mine")

    with pytest.raises(RequestRefused, match="paused meanwhile"):
        await backend.restart("mine", only_running=True)

    assert json.loads((home / "instance.json").read_text())["wanted"] == "paused"


@pytest.mark.parametrize("drain_seconds", [0.0, 10.0, 600.0])
async def test_a_restart_has_time_for_an_instance_that_takes_all_of_its_own(
    backend: LocalBackend, settings: Any, drain_seconds: float
):
    settings.STARPORT_DRAIN_SECONDS = drain_seconds

    # For a command before it, too, of which each may end one that hangs.
    assert backend.restart_seconds > 2 * (drain_seconds + 8 + 5)


# --- Helpers ----------------------------------------------------------------------------------


async def until_only(folder: Path) -> None:
    """Until nothing is left there but locks and its name."""
    while not {*os.listdir(folder)} <= {".lock", ".supervisor", ".place"}:
        await asyncio.sleep(0.05)
