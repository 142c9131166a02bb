"""A machine that runs instances: `manage.py instance_backend` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.server import Process, clean_environment, run_manage, start_manage

PATIENCE_SECONDS = 180.0
KEY = "the-key-of-this-machine"
#: What belongs to the program that starts instances, and to none of them.
PARENTS_OWN = {
    "STARLINGD_TOKEN": "the-daemon-token-of-the-parent",
    "STARPOD_API_KEY": "the-first-admins-key-of-the-parent",
    "SECRET_KEY": "the-secret-key-of-the-parent-" + 50 * "x",
    "TELEGRAM_BOT_TOKEN": "1234567:the-bot-token-of-the-parent-00000000",
    "STARPOD_INSTANCE_API_KEY": KEY,
    "DATABASE_URL": "postgres://parent:the-password-of-the-parent@127.0.0.1:1/nowhere",
    "REDIS_URL": "redis://:the-other-password-of-the-parent@127.0.0.1:1/0",
    "STARPORT_EXECUTOR": "celery",
    "STARPORT_HTTPS": "true",
    "STARPORT_BOOTSTRAP": "false",
}


@dataclass
class Machine:
    data_dir: Path
    process: Process
    client: httpx.Client  # with the key

    @property
    def folder(self) -> Path:
        return self.data_dir / "instances"

    def create(self, **fields: Any) -> str:
        """The id of one that will run in a moment."""
        answer = self.client.post("/instances", json=fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def create_running(self, **fields: Any) -> str:
        instance_id = self.create(**fields)
        self.until_status(instance_id, "running")
        return instance_id

    def get(self, instance_id: str, part: str = "") -> dict[str, Any]:
        answer = self.client.get(f"/instances/{instance_id}{part}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def do(self, instance_id: str, command: str) -> None:
        answer = self.client.post(f"/instances/{instance_id}/{command}")
        assert answer.status_code == 204, answer.text

    def kill(self, instance_id: str) -> None:
        answer = self.client.delete(f"/instances/{instance_id}")
        assert answer.status_code == 204, answer.text

    def listed(self) -> dict[str, str]:
        """Ids and statuses."""
        return {one["id"]: one["status"] for one in self.client.get("/instances").json()}

    def until_status(self, instance_id: str, status: str) -> None:
        until(lambda: self.get(instance_id)["status"] == status)

    def until_it_answers(self, instance_id: str) -> None:
        until(lambda: answers(self.get(instance_id)["web_url"]))

    def log(self, instance_id: str, tail: int = 1000) -> list[dict[str, Any]]:
        path = f"/instances/{instance_id}/logs?tail={tail}&follow=false"
        lines = self.client.get(path).text.splitlines()
        return [json.loads(line) for line in lines]

    def record(self, instance_id: str) -> dict[str, Any]:
        return read_record(self.folder, instance_id)

    def pid(self, instance_id: str) -> int:
        return pid_of(self.folder, instance_id)

    def signal(self, instance_id: str, number: signal.Signals) -> None:
        os.kill(self.pid(instance_id), number)

    @contextmanager
    def member(self, instance_id: str) -> Iterator[httpx.Client]:
        """Somebody with a key of the instance, made as an operator makes it."""
        with member(self.folder, instance_id, self.get(instance_id)["web_url"]) as client:
            yield client


@contextmanager
def running_machine(data_dir: Path) -> Iterator[Machine]:
    """Stopped in good order, with its instances, unless that has happened."""
    numbers = data_dir / "numbers-of-the-parent"
    numbers.mkdir(exist_ok=True)
    variables = clean_environment(data_dir, **PARENTS_OWN, PROMETHEUS_MULTIPROC_DIR=str(numbers))
    arguments = ("instance_backend", "--addr", "127.0.0.1:0", "--data", str(data_dir))
    process = start_manage(*arguments, environment=variables, log_dir=data_dir)
    try:
        until(lambda: "for http" in process.stdout() or process.popen.poll() is not None)
        url = process.stdout().split()[-3]
        assert url.startswith("http://"), process.stderr()
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60.0) as client:
            yield Machine(data_dir, process, client)
    finally:
        process.stop()
        kill_what_is_left(data_dir)


def until(reached: Callable[[], bool]) -> None:
    """Wait until it is so. Starts compete for the processors, so this is patient."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def lives(pid: int) -> bool:
    """Whether it executes. A dead child of this process is there until somebody asks for it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health", timeout=5.0).is_success
    except httpx.HTTPError:
        return False


def chat(client: httpx.Client, text: str) -> dict[str, Any]:
    answer = client.post("/api/chat", json={"text": text})
    assert answer.status_code == 200, answer.text
    reply: dict[str, Any] = answer.json()
    return reply


@contextmanager
def member(folder: Path, instance_id: str, url: str) -> Iterator[httpx.Client]:
    data_dir = folder / instance_id / "data"
    made = run_manage("apikey", "create", "--role", "user", environment=clean_environment(data_dir))
    assert made.returncode == 0, made.stderr
    headers = {"X-API-Key": made.stdout.strip()}
    with httpx.Client(base_url=url, headers=headers, timeout=60.0) as client:
        yield client


def read_record(folder: Path, instance_id: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / instance_id / "instance.json").read_text())
    return record


def pid_of(folder: Path, instance_id: str) -> int:
    return int(read_record(folder, instance_id)["process"]["pid"])


def kill_what_is_left(data_dir: Path) -> None:
    """No instance outlives its test, however that ends."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(data_dir / "instances") in word for word in process.info["cmdline"] or ()):
            process.kill()


def write_home(folder: Path, name: str, *, port: int = 1, **fields: Any) -> Path:
    """An instance on disk, as the backend writes it: running when it has a process."""
    home = folder / name
    (home / "data").mkdir(parents=True)
    process = fields.get("process")
    record: dict[str, Any] = {
        "id": name,
        "name": None,
        "region": None,
        "port": port,
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_000,
        "wanted": "running" if process else "paused",
        "process": process,
        "has_answered": bool(process),
    }
    (home / "instance.json").write_text(json.dumps(record | fields))
    home.chmod(0o700)
    return home


@contextmanager
def hanging_instance(folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """One whose process does nothing, and does not react when it is told to end."""
    home = write_home(folder, name, wanted="running", has_answered=True)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "--data", str(home / "data")], stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        (home / "data" / "serve.lock").write_text(f"{process.pid}\n")
        try:
            yield process
        finally:
            process.kill()
