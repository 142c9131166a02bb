"""The same five durable steps as DBOS workflows, on SQLite as Starport configures it.

DBOS leaves SQLite at its defaults, with which it does about a third of this. Its synchronous
workflows, one thread each, are faster here than its asynchronous ones.
"""

import sqlite3
import time
from pathlib import Path
from statistics import median
from typing import Any

from dbos import DBOS
from sqlalchemy import event
from sqlalchemy.engine import Engine

_History = list[dict[str, Any]]


@event.listens_for(Engine, "connect")
def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


@DBOS.step()
def ask_model(turn: int, history: _History) -> dict[str, Any]:
    return {"role": "assistant", "turn": turn, "text": "done", "seen": len(history)}


@DBOS.step()
def call_tool(expression: str) -> dict[str, Any]:
    return {"role": "tool", "expression": expression, "result": 5}


@DBOS.workflow()
def agent_run(goal: str) -> str:
    history: _History = [{"role": "user", "text": goal}]
    history.append(ask_model(1, history))
    history.append(call_tool("2+3"))
    history.append(ask_model(2, history))
    history.append(call_tool("4*5"))
    history.append(ask_model(3, history))
    return str(history[-1]["text"])


def measure(*, folder: str, runs: int, repetitions: int) -> float:
    """The median of workflows finished per second in a burst of `runs`."""
    DBOS(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{Path(folder) / 'dbos.sqlite3'}",
            "log_level": "ERROR",
            "console_log_level": "ERROR",
        }
    )
    DBOS.launch()
    try:
        rates = [_burst(runs) for _ in range(repetitions + 1)]
    finally:
        DBOS.destroy()
    return median(rates[1:])


def _burst(runs: int) -> float:
    began = time.perf_counter()
    handles = [DBOS.start_workflow(agent_run, "add and multiply") for _ in range(runs)]
    answers = [handle.get_result() for handle in handles]
    seconds = time.perf_counter() - began
    assert answers == ["done"] * runs
    return runs / seconds
