"""The same graph in LangGraph, with its SQLite checkpointer as Starport configures SQLite.

Nodes are plain functions that format texts, where Starport's render templates. The savers leave
`synchronous` at FULL, with which they are slower still.
"""

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

import aiosqlite
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

ROUNDS = 5
STEPS = 4 * ROUNDS


class _State(TypedDict, total=False):
    goal: str
    n: str
    draft: str
    check: str
    note: str


def _count(state: _State) -> _State:
    return {"n": str(int(state.get("n", "0")) + 1)}


def _write(state: _State) -> _State:
    return {"draft": f"Draft {state['n']} of {state['goal']}"}


def _check(state: _State) -> _State:
    return {"check": f"{state['draft']}: checked"}


def _remember(state: _State) -> _State:
    return {"note": f"{state['check']}, remembered"}


def _again(state: _State) -> str:
    return "count" if int(state["n"]) < ROUNDS else END


def _compiled(saver: BaseCheckpointSaver[Any]) -> Any:
    builder = StateGraph(_State)
    builder.add_node("count", _count)
    builder.add_node("write", _write)
    builder.add_node("look", _check)
    builder.add_node("remember", _remember)
    builder.add_edge(START, "count")
    builder.add_edge("count", "write")
    builder.add_edge("write", "look")
    builder.add_edge("look", "remember")
    builder.add_conditional_edges("remember", _again, ["count", END])
    return builder.compile(checkpointer=saver)


def _config(run: int) -> dict[str, Any]:
    return {"configurable": {"thread_id": str(run)}, "recursion_limit": STEPS + 5}


def threaded_rate(path: Path, runs: int, at_a_time: int, durability: str) -> float:
    """Steps per second with `SqliteSaver`, each run in a thread of a pool."""
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("PRAGMA synchronous=NORMAL")
    try:
        saver = SqliteSaver(connection)
        saver.setup()
        graph = _compiled(saver)

        def execute(run: int) -> Any:
            return graph.invoke({"goal": "benchmark"}, _config(run), durability=durability)

        began = time.perf_counter()
        with ThreadPoolExecutor(at_a_time) as threads:
            ends = list(threads.map(execute, range(runs)))
        seconds = time.perf_counter() - began
        (kept,) = connection.execute("SELECT count(*) FROM checkpoints").fetchone()
    finally:
        connection.close()
    return _rate(ends, kept, seconds)


async def async_rate(path: Path, runs: int, at_a_time: int, durability: str) -> float:
    """Steps per second with `AsyncSqliteSaver`, all runs in this event loop."""
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA synchronous=NORMAL")
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        graph = _compiled(saver)
        slots = asyncio.Semaphore(at_a_time)

        async def execute(run: int) -> Any:
            async with slots:
                return await graph.ainvoke(
                    {"goal": "benchmark"}, _config(run), durability=durability
                )

        began = time.perf_counter()
        ends = await asyncio.gather(*(execute(run) for run in range(runs)))
        seconds = time.perf_counter() - began
        cursor = await connection.execute("SELECT count(*) FROM checkpoints")
        row = await cursor.fetchone()
    return _rate(ends, row[0] if row else 0, seconds)


def _rate(ends: list[Any], kept: int, seconds: float) -> float:
    """Every run did all of its steps, and each left a checkpoint."""
    assert {end["note"] for end in ends} == {f"Draft {ROUNDS} of benchmark: checked, remembered"}, (
        ends[0]
    )
    assert kept >= len(ends) * STEPS, kept
    return len(ends) * STEPS / seconds
