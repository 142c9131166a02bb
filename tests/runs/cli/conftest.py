"""Runs made by the real engine in this process, and the command as a shell would call it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from project.lib.pool import in_database_thread
from project.management.commands.doctor import Command as Doctor
from runs import dispatch
from runs.engine.service import Engine
from runs.management.commands.runs import Command as Runs
from runs.models import Run
from runs.services.starting import StartRequest, start_run

#: Two turns, two parallel tool calls, reasoning and a recorded side effect.
GOLDEN_GOAL = """What is 6*7?
!think It is a product.
!say Let me see.
!tool calculate {"expression": "6*7"}
!tool now {}
!turn
!say It is 42 & <fine>."""
WAITING_GOAL = '!tool ask_human {"prompt": "May I?"}'


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: object
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Execute = Callable[..., list[str]]
Cli = Callable[..., Result]


@pytest.fixture
def execute(transactional_db, settings) -> Execute:
    """Starts one run per goal and returns their ids when each has ended or waits for a human."""
    settings.MODEL_NAMES = ["scripted:scripted"]
    return lambda *goals, graph_id="agent": asyncio.run(
        _with_engine(lambda: _execute(goals, graph_id))
    )


@pytest.fixture
def cli(transactional_db, settings, capsys) -> Cli:
    """`manage.py runs …` in this process, up to its exit."""
    settings.MODEL_NAMES = ["scripted:scripted"]

    def run(*arguments: str) -> Result:
        return _exit_of(Runs(), ["manage.py", "runs", *arguments], capsys)

    return run


@pytest.fixture
def doctor(transactional_db, settings, capsys) -> Cli:
    """`manage.py doctor …` in this process, up to its exit."""
    settings.MODEL_NAMES = ["scripted:scripted"]
    return lambda *arguments: _exit_of(Doctor(), ["manage.py", "doctor", *arguments], capsys)


def queue(goal: str, graph_id: str = "agent") -> str:
    """A run that no worker has begun."""
    return start_run(StartRequest(goal, graph_id), actor="owner", user_id=None).run_id


async def _execute(goals: tuple[str, ...], graph_id: str) -> list[str]:
    ids = [await in_database_thread(queue, goal, graph_id) for goal in goals]
    while await in_database_thread(_is_busy, ids):
        await asyncio.sleep(0.01)
    return ids


def _is_busy(ids: list[str]) -> bool:
    return Run.objects.filter(pk__in=ids, status__in=["pending", "running"]).exists()


async def _with_engine(work: Callable[[], Awaitable[list[str]]]) -> list[str]:
    engine = Engine(workers=8, owner="test")
    await engine.start()
    dispatch.set_engine(engine)
    try:
        return await work()
    finally:
        dispatch.set_engine(None)
        await engine.drain(1.0)


def _exit_of(command: Runs | Doctor, argv: list[str], capsys: pytest.CaptureFixture[str]) -> Result:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(argv)
    written = capsys.readouterr()
    return Result(ended.value.code, written.out, written.err)
