"""Commands of `manage.py` without the two seconds that each takes to import what all of them need.

    python -m tests.warm_manage

sets Django up, reads the arguments of one command a line, as JSON, and executes each in a fork of
its own. A command in a process that starts from nothing is tested where the start matters.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from project.cli import main as run_command
from project.lib.quick_start import set_up_django

_ROOT = Path(__file__).resolve().parent.parent


class WarmManage:
    """The commands on one server's data, from the first one on."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self._lock:
            process = self._process = self._process or self._start()
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(arguments) + "\n")
            process.stdin.flush()
            reply = json.loads(process.stdout.readline())
        return subprocess.CompletedProcess(arguments, **reply)

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()  # the end of its input is its own
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.warm_manage"],
            cwd=_ROOT,
            env=dict(self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    set_up_django()
    import project.urls  # noqa: F401 - the checks before a command read it

    # At its end each fork would go through all of this, and so copy every page of it.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_execute(json.loads(line))), flush=True)  # noqa: T201


def _execute(arguments: Sequence[str]) -> dict[str, str | int]:
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        child = os.fork()
        if not child:
            # From here on this process is the command and ends as `manage.py` does.
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(stdout.fileno(), 1)
            os.dup2(stderr.fileno(), 2)
            sys.argv = ["manage.py", *arguments]
            sys.exit(run_command(sys.argv))
        _, status = os.waitpid(child, 0)
        for written in (stdout, stderr):
            written.seek(0)
        return {
            "returncode": os.waitstatus_to_exitcode(status),
            "stdout": stdout.read(),
            "stderr": stderr.read(),
        }


if __name__ == "__main__":
    main()
