"""The daemon's API as its clients use it: runs by id, streams as frames."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tests.server import RunningServer

#: Answers in two turns, with a tool between them.
TOOL_GOAL = "\n".join(
    ['!say Let me see.', '!tool calculate {"expression": "6*7"}', "!turn", "!say It is 42."]
)  # fmt: skip
#: Longer than any test; whoever uses it cancels the run or stops the server.
SLEEPING_GOAL = "!sleep 120\n!say awake"
IS_CELERY = os.environ.get("STARPORT_EXECUTOR") == "celery"


@dataclass(frozen=True)
class Frame:
    """One server-sent event; a comment has no name and its text as data."""

    name: str
    data: Any
    id: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Frame":
        if text.startswith(":"):
            return cls("", text[1:])
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        if "retry" in fields:
            return cls("retry", int(fields["retry"]))
        seq = int(fields["id"]) if "id" in fields else None
        return cls(fields["event"], json.loads(fields["data"]), seq)


@dataclass(frozen=True)
class Daemon:
    """`/api/v1` as one caller sees it."""

    client: httpx.Client

    def start(self, goal: str, **fields: Any) -> str:
        """The id of a run that was accepted."""
        response = self.client.post("/api/v1/runs", json={"goal": goal, **fields})
        assert response.status_code == 202, response.text
        return str(response.json()["run_id"])

    def run_to_end(self, goal: str, **fields: Any) -> str:
        """The id of a run that was accepted and has ended."""
        run_id = self.start(goal, **fields)
        self.follow(run_id)
        return run_id

    def start_and_wait_for(self, kind: str, goal: str) -> str:
        """The id of a run whose log holds an event of this kind by now."""
        run_id = self.start(goal)
        with self.stream(run_id) as frames:
            next(frame for frame in frames if frame.name == "event" and frame.data["kind"] == kind)
        return run_id

    def detail(self, run_id: str, **query: Any) -> dict[str, Any]:
        detail: dict[str, Any] = self.get(f"/api/v1/runs/{run_id}", **query)
        return detail

    def events(self, run_id: str, **query: Any) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = self.get(f"/api/v1/runs/{run_id}/events", **query)["events"]
        return page

    def page(self, **query: Any) -> dict[str, Any]:
        page: dict[str, Any] = self.get("/api/v1/runs", **query)
        return page

    def listed_ids(self, **query: Any) -> list[str]:
        return [run["run_id"] for run in self.page(**query)["runs"]]

    def cancel(self, run_id: str) -> httpx.Response:
        return self.client.post(f"/api/v1/runs/{run_id}/cancel")

    def get(self, path: str, **query: Any) -> Any:
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    @contextmanager
    def stream(
        self, run_id: str, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Iterator[Iterator[Frame]]:
        """An open stream, frame by frame."""
        path = f"/api/v1/runs/{run_id}/stream"
        with self.client.stream("GET", path, params=query, headers=headers) as response:
            assert response.status_code == 200, response.read()
            yield read_frames(response)

    def follow(
        self, run_id: str, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> list[Frame]:
        """All frames of a stream, until the server closes it."""
        with self.stream(run_id, headers=headers, **query) as frames:
            return list(frames)


def read_frames(response: httpx.Response) -> Iterator[Frame]:
    rest = ""
    for text in response.iter_text():
        *complete, rest = (rest + text).split("\n\n")
        yield from map(Frame.parse, complete)
    assert rest == "", "the last frame is cut off"


def seqs(frames: list[Frame]) -> list[int]:
    return [frame.data["seq"] for frame in frames if frame.name == "event"]


def named(frames: list[Frame], name: str) -> list[Any]:
    """The data of the frames of one name."""
    return [frame.data for frame in frames if frame.name == name]


@contextmanager
def as_holder_of(server: RunningServer, secret: str) -> Iterator[Daemon]:
    """The API for the holder of this key."""
    headers = {"X-API-Key": secret}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30.0) as client:
        yield Daemon(client)


def issue_key(server: RunningServer, role: str, *flags: str) -> str:
    """The secret of a new key for a new user of this role."""
    done = server.manage("apikey", "create", "--role", role, "--label", f"the {role}", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def change_stored(server: RunningServer, sql: str, *values: object) -> None:
    """Reach around the program into its database; `%s` stands for a value."""
    if url := server.environment.get("DATABASE_URL"):
        with psycopg.connect(url) as postgres:
            postgres.execute(sql.encode(), values)
        return
    path = server.data_dir / "starport.sqlite3"
    with closing(sqlite3.connect(path, timeout=30.0)) as sqlite, sqlite:
        sqlite.execute(sql.replace("%s", "?"), values)


def read_stored(server: RunningServer, sql: str, *values: object) -> Any:
    """The first column of the first row."""
    row: Any
    if url := server.environment.get("DATABASE_URL"):
        with psycopg.connect(url) as postgres:
            row = postgres.execute(sql.encode(), values).fetchone()
    else:
        path = server.data_dir / "starport.sqlite3"
        with closing(sqlite3.connect(path, timeout=30.0)) as sqlite:
            row = sqlite.execute(sql.replace("%s", "?"), values).fetchone()
    return row[0]
