"""Processes that are measured or measured against: started, found ready, stopped by their id."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.core.isolated import MeasurementFailed
from bench.core.machine import ROOT
from bench.core.surroundings import environment

START_SECONDS = 90.0
STOP_SECONDS = 30.0
_READY = re.compile(r"ready at (http://\S+)")


@dataclass(frozen=True, slots=True)
class Listening:
    """A server in the background."""

    host: str
    port: int
    pid: int
    key: str = ""  # an admin's API key; a plain application wants none

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key} if self.key else {}


def new_key() -> str:
    """A key that `serve` imports for its first admin."""
    return f"bench-{secrets.token_urlsafe(32)}"


@contextmanager
def starport(
    data: Path,
    *flags: str,
    key: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Listening]:
    """`manage.py serve` on `data`. `key` is the admin's when the data folder has one already."""
    key = key or new_key()
    environ = environment(data, STARPOD_API_KEY=key, **(variables or {}))
    command = ["manage.py", "serve", "--addr", "127.0.0.1:0", *flags]
    with _running(command, environ, data) as (url, pid):
        yield _listening(url, pid, key)


@contextmanager
def plain_application(folder: Path) -> Iterator[Listening]:
    """The ASGI application that does nothing, under the Uvicorn settings of `serve`."""
    with _running(["-m", "bench.yardsticks.plain_asgi"], environment(folder), folder) as (url, pid):
        yield _listening(url, pid, "")


def run_client(module: str, order: Mapping[str, Any], *, timeout_seconds: float) -> Any:
    """A load generator in a process of its own: an order goes in, a report comes out."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(order),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    if done.returncode != 0:
        raise MeasurementFailed(f"{module} ended with {done.returncode}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)


def resident_kib(pid: int) -> float:
    """Resident memory of a process in KiB; where the system tells, without that of mapped files.

    SQLite maps its database, so the mapped part grows with every page that was ever read.
    """
    status = Path(f"/proc/{pid}/status")
    if status.exists() and (found := re.search(r"^RssAnon:\s+(\d+)", status.read_text(), re.M)):
        return float(found[1])
    listed = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return float(listed.stdout)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; 0 where the system does not tell it finely enough.

    It suffers less from a busy machine than the time that passed.
    """
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _listening(url: str, pid: int, key: str) -> Listening:
    address = urlsplit(url)
    assert address.hostname and address.port, url
    return Listening(address.hostname, address.port, pid, key)


@contextmanager
def _running(
    command: Sequence[str], environ: Mapping[str, str], folder: Path
) -> Iterator[tuple[str, int]]:
    out, err = folder / "bench.out", folder / "bench.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield _wait_until_ready(process, out, err), process.pid
    finally:
        _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], out: Path, err: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := _READY.search(out.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    said = err.read_text(errors="replace")[-4000:]
    raise MeasurementFailed(f"the server did not become ready\n{said}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
