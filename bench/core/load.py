"""Requests per second, by `wrk` where it is installed, else by a client of ours."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.core.background import Listening, run_client
from bench.core.isolated import MeasurementFailed

WRK = shutil.which("wrk")
_SCRIPT = Path(__file__).resolve().parents[1] / "clients" / "wrk.lua"
_UNBOUNDED = 10_000_000  # requests; time bounds those loads
_GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class LoadReport:
    answers: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int  # answers with a status other than 2xx
    began_ns: int = 0

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds if self.seconds else 0.0


def load_for(
    server: Listening, requests: Sequence[Request], *, connections: int, seconds: float
) -> LoadReport:
    """As many requests as the server answers in that time, taken from `requests` in turn."""
    if WRK is not None and seconds >= 1:  # wrk counts in whole seconds
        return _with_wrk(server, requests, connections, seconds)
    return _with_ours(server, requests, connections, _UNBOUNDED, seconds)


def load_of(
    server: Listening, requests: Sequence[Request], *, connections: int, count: int, seconds: float
) -> LoadReport:
    """Exactly `count` requests. Raises `MeasurementFailed` when `seconds` did not suffice."""
    report = _with_ours(server, requests, connections, count, seconds)
    if report.answers < count:
        raise MeasurementFailed(f"only {report.answers} of {count} requests in {seconds:.0f} s")
    return report


def _with_ours(
    server: Listening,
    requests: Sequence[Request],
    connections: int,
    count: int,
    seconds: float,
) -> LoadReport:
    order = {
        "host": server.host,
        "port": server.port,
        "requests": [_text(server, request) for request in requests],
        "connections": connections,
        "count": count,
        "seconds": seconds,
    }
    report = run_client("bench.clients.load", order, timeout_seconds=seconds + _GRACE_SECONDS)
    ok = sum(n for status, n in report["statuses"].items() if status.startswith("2"))
    return LoadReport(
        answers=report["answers"],
        seconds=report["seconds"],
        p50_ms=report["p50_ms"],
        p99_ms=report["p99_ms"],
        failed=report["answers"] - ok,
        began_ns=report["began_ns"],
    )


def _text(server: Listening, request: Request) -> str:
    headers = {"Host": f"{server.host}:{server.port}", **_headers(server, request)}
    headers["Content-Length"] = str(len(request.body.encode()))
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n" + request.body


def _headers(server: Listening, request: Request) -> Mapping[str, str]:
    kind = {"Content-Type": "application/json"} if request.body else {}
    return {**server.headers, **kind}


def _with_wrk(
    server: Listening, requests: Sequence[Request], connections: int, seconds: float
) -> LoadReport:
    assert WRK is not None
    first = requests[0]
    headers = [f"{name}: {value}" for name, value in _headers(server, first).items()]
    done = subprocess.run(
        [WRK, "--threads", "1", "--connections", str(connections)]
        + ["--duration", f"{round(seconds)}s", "--timeout", "30s", "--latency"]
        + [argument for header in headers for argument in ("--header", header)]
        + ["--script", str(_SCRIPT), server.url, "--", first.method, first.body],
        input="\n".join(request.path for request in requests),
        capture_output=True,
        text=True,
        timeout=seconds + _GRACE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise MeasurementFailed(f"wrk ended with {done.returncode}\n{done.stderr}")
    report = json.loads(done.stdout.strip().rpartition("\n")[2])
    return LoadReport(
        answers=report["answers"],
        seconds=report["microseconds"] / 1e6,
        p50_ms=report["p50_us"] / 1e3,
        p99_ms=report["p99_us"] / 1e3,
        failed=report["refused"] + report["broken"],
    )
