"""Commands as a person sees them, and commands that go on until they are stopped."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from tests.server import ROOT, Process


def on_terminal(
    environment: Mapping[str, str], *arguments: str, exit_code: int = 0, **changes: str
) -> str:
    """What a command of `manage.py` writes to a terminal of 160 columns, stderr as well."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "160", **changes},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    with suppress(OSError):  # how a terminal's end shows on Linux
        while piece := os.read(ours, 65_536):
            written += piece
    os.close(ours)
    assert process.wait() == exit_code, written
    return written.decode()


def left_after_one_line(environment: Mapping[str, str], *arguments: str) -> tuple[int, bytes]:
    """Exit code and complaints of a command whose reader closes the pipe, as `| head -1` does."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    return process.returncode, complaints


def wait_for_text(process: Process, text: str) -> None:
    """A test that waits in vain is cut off by its runner."""
    while text not in process.stdout():
        assert process.popen.poll() is None, process.stderr()
        with suppress(subprocess.TimeoutExpired):
            process.popen.wait(0.05)
