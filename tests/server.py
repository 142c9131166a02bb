"""Real servers for tests: `manage.py serve` (and Celery workers) in processes of their own."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis

from tests.databases import create_database, drop_later
from tests.warm_manage import WarmManage

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0  # far more than a start takes; a machine may be busy
STOP_SECONDS = 30.0

_READY = re.compile(r"is ready at (\S+)")
_ADMIN_KEY = re.compile(r"Admin key (sp_live_\S+)")
# Configuration of whoever runs the tests must not reach the servers under test.
_OURS = re.compile(
    r"STARPORT_|STARLINGD_|STARPOD_|RATELIMIT_|TELEGRAM_|DJANGO_|SECRET_KEY|ALLOWED_HOSTS"
    r"|DATABASE_URL|REDIS_URL|DEBUG$|(OPENAI|ANTHROPIC|GOOGLE|OPENROUTER|OLLAMA|AWS)_"
)


class ServerFailed(Exception):
    """The process ended, or did not become ready. Carries what it wrote to stderr."""


@dataclass
class Process:
    """A program of ours in the background, its output in files."""

    popen: subprocess.Popen[bytes]
    stdout_path: Path
    stderr_path: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        """The exit code."""
        return self.popen.wait(STOP_SECONDS)

    def terminate(self) -> None:
        """SIGTERM, unless it has ended."""
        if self.popen.poll() is None:
            self.popen.terminate()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.terminate()
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        """The exit code of a process that was told to stop; it is killed when it takes too long."""
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL: what a power cut leaves behind."""
        self.popen.kill()
        self.popen.wait()


@dataclass
class RunningServer:
    """A started server. `client` holds the admin's key; `anonymous` holds nothing."""

    url: str
    admin_key: str
    data_dir: Path
    environment: dict[str, str]
    flags: tuple[str, ...]
    process: Process
    workers: list[Process] = field(default_factory=list)
    warm_manage: WarmManage | None = None  # for a server on which many commands are run

    _past_errors: str = ""

    def __post_init__(self) -> None:
        self._open_clients()

    def _open_clients(self) -> None:
        self.client = httpx.Client(
            base_url=self.url, headers={"X-API-Key": self.admin_key}, timeout=30.0
        )
        self.anonymous = httpx.Client(base_url=self.url, timeout=30.0)

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of `manage.py` on this server's data."""
        if self.warm_manage is not None:
            return self.warm_manage.run(*arguments)
        return run_manage(*arguments, environment=self.environment)

    def stop(self) -> int:
        """Stop everything in good order; the server's exit code."""
        self._close_clients()
        for process in (self.process, *self.workers):
            process.terminate()  # all at once: each takes a moment to end
        # No second SIGTERM: that one ends a process where it stands.
        codes = [process.wait_for_end() for process in (self.process, *self.workers)]
        return codes[0]

    def kill(self) -> None:
        """SIGKILL to the server and its workers."""
        self._close_clients()
        for process in (self.process, *self.workers):
            process.kill()

    def start_again(self) -> None:
        """A new process on the same data, after `stop` or `kill`; with a new `url`."""
        self._past_errors = self.errors()
        fresh = launch(
            self.data_dir,
            self.environment,
            self.flags,
            admin_key=self.admin_key,
            workers=len(self.workers),
        )
        self.url, self.process, self.workers = fresh.url, fresh.process, fresh.workers
        self._open_clients()

    def _close_clients(self) -> None:
        self.client.close()
        self.anonymous.close()

    def errors(self) -> str:
        """What the server and its workers wrote to stderr, from the first start on."""
        return self._past_errors + "".join(self._stderrs())

    def mark(self) -> list[int]:
        """How much each process has written to stderr by now, for `errors_since`."""
        return [len(written) for written in self._stderrs()]

    def errors_since(self, mark: list[int]) -> str:
        """What the same processes wrote after that."""
        return "".join(
            written[length:] for written, length in zip(self._stderrs(), mark, strict=True)
        )

    def _stderrs(self) -> list[str]:
        return [process.stderr() for process in (self.process, *self.workers)]


def launch(
    data_dir: Path,
    environment: Mapping[str, str],
    flags: Sequence[str] = (),
    *,
    admin_key: str = "",
    workers: int = 2,
) -> RunningServer:
    """Start a server on `data_dir` and return when it answers."""
    arguments = ["serve", "--addr", "127.0.0.1:0", "--data", str(data_dir), *flags]
    process = start_manage(*arguments, environment=environment, log_dir=data_dir)
    try:
        screen = _wait_for(process, _READY, process.stdout)
        printed = _ADMIN_KEY.search(process.stdout())
        server = RunningServer(
            url=screen[1],
            admin_key=printed[1] if printed else admin_key,
            data_dir=data_dir,
            environment=dict(environment),
            flags=tuple(flags),
            process=process,
        )
        if environment.get("STARPORT_EXECUTOR") == "celery":
            # A worker has no flags: what `--graphs` names reaches it as its variable.
            folders = [flags[at + 1] for at, flag in enumerate(flags) if flag == "--graphs"]
            graphs = {"STARPORT_GRAPHS": "\n".join(folders)} if folders else {}
            server.workers = start_workers(data_dir, {**environment, **graphs}, workers)
    except BaseException:
        process.kill()
        raise
    return server


def start_workers(data_dir: Path, environment: Mapping[str, str], count: int) -> list[Process]:
    """Celery workers on the data of a server that has started (and so has migrated)."""
    workers: list[Process] = []
    try:
        for number in range(count):
            name = f"worker{number}-{secrets.token_hex(4)}@localhost"
            arguments = ["worker", "--pool", "threads", "--concurrency", "4", "--hostname", name]
            arguments += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
            workers.append(
                _start(["-m", "celery", "-A", "project", *arguments], environment, data_dir)
            )
        for worker in workers:
            _wait_for(worker, re.compile(r"@localhost ready"), worker.stderr)
    except BaseException:
        for worker in workers:
            worker.kill()
        raise
    return workers


def start_manage(*arguments: str, environment: Mapping[str, str], log_dir: Path) -> Process:
    """Start `manage.py …` in the background."""
    return _start(["manage.py", *arguments], environment, log_dir)


def run_manage(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `manage.py …` to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def clean_environment(data_dir: Path, **changes: str) -> dict[str, str]:
    """The environment of a fresh install that answers with the scripted model."""
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    chosen = {
        "STARPORT_DATA": str(data_dir),
        "STARPORT_MODELS": "scripted:scripted",
        "STARPORT_LOG_FORMAT": "console",
        # Each holds a connection, and PostgreSQL has a hundred for all servers under test.
        "STARPORT_REQUEST_THREADS": "4",
        "PYTHONUNBUFFERED": "1",
    }
    return {**kept, **chosen, **changes}


@contextmanager
def backing_services(*, template: str = "") -> Iterator[dict[str, str]]:
    """What a server of its own needs in the environment: a fresh database, a part of Redis.

    The database is empty, or a copy of the one that `template` names. Nothing on SQLite.
    `DATABASE_URL`, `REDIS_URL` and `STARPORT_EXECUTOR` of the test run decide.
    """
    environment: dict[str, str] = {}
    name = f"starport_{secrets.token_hex(6)}"  # of the database, and first part of Redis keys
    database_url, redis_url = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    try:
        if database_url:
            environment["DATABASE_URL"] = create_database(
                database_url, name=name, template=template
            )
        if redis_url:
            environment |= {"REDIS_URL": redis_url, "STARPORT_REDIS_PREFIX": name}
        if executor := os.environ.get("STARPORT_EXECUTOR"):
            environment["STARPORT_EXECUTOR"] = executor
        yield environment
    finally:
        if database_url:
            drop_later(database_url, name)
        if redis_url:
            _forget_keys(redis_url, name)


def _forget_keys(redis_url: str, prefix: str) -> None:
    client = redis.Redis.from_url(redis_url)
    with suppress(redis.RedisError):
        for key in client.scan_iter(f"{prefix}*", count=500):
            client.delete(key)
    client.close()


def _start(arguments: list[str], environment: Mapping[str, str], log_dir: Path) -> Process:
    logs = log_dir / "test-logs"
    logs.mkdir(exist_ok=True)
    stem = f"{time.time_ns()}-{arguments[1].rpartition('/')[2]}"
    stdout_path, stderr_path = logs / f"{stem}.out", logs / f"{stem}.err"
    with stdout_path.open("wb") as stdout, stderr_path.open("wb") as stderr:
        popen = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,  # Ctrl+C in the test run is for the test run
        )
    return Process(popen, stdout_path, stderr_path)


def _wait_for(process: Process, pattern: re.Pattern[str], read: Callable[[], str]) -> re.Match[str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := pattern.search(read()):
            return found
        if (code := process.popen.poll()) is not None:
            raise ServerFailed(f"exit code {code}\n{process.stdout()}\n{process.stderr()}")
        time.sleep(0.05)  # another process's start has nothing to wait on
    raise ServerFailed(f"not ready after {START_SECONDS:.0f} s\n{process.stderr()}")


def tool(name: str) -> str:
    """A program of the environment that the tests run in."""
    return str(Path(sys.executable).with_name(name))
