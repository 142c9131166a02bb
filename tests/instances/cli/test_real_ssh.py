"""`manage.py instance ssh` with OpenSSH itself, and a real server on loopback."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.instances.cli.conftest import Installation
from tests.instances.cli.leftovers import left_behind, wait_until
from tests.server import start_manage
from tests.terminal import wait_for_text

SSH, SSHD = shutil.which("ssh"), shutil.which("sshd", path=f"{os.defpath}:/usr/sbin")

pytestmark = pytest.mark.skipif(
    (SSH is None or SSHD is None) and os.environ.get("CI") != "true",
    reason="the programs of OpenSSH are not installed",
)

_CONFIGURATION = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
ForceCommand . {folder}/command
PidFile none
StrictModes no
UsePAM no
"""


@dataclass(frozen=True)
class Sshd:
    """Whoever comes with `key` executes what `does` was told."""

    folder: Path
    port: int
    key: str

    def does(self, command: str) -> None:
        (self.folder / "command").write_text(command + "\n")


@pytest.fixture
def sshd(tmp_path: Path, key_type: str) -> Iterator[Sshd]:
    for name, kind in (("host", ["-t", "ed25519"]), ("user", key_type.split())):
        subprocess.run(
            ["ssh-keygen", "-q", *kind, "-N", "", "-f", str(tmp_path / name)], check=True
        )
    shutil.copy(tmp_path / "user.pub", tmp_path / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (tmp_path / "conf").write_text(_CONFIGURATION.format(folder=tmp_path, port=port))
    assert SSHD is not None, "openssh-server is not installed"
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(tmp_path / "conf")], stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        assert "listening" in process.stderr.readline()
        yield Sshd(tmp_path, port, (tmp_path / "user").read_text())
        process.terminate()


@pytest.fixture
def key_type() -> str:
    return "-t ed25519"


def use_openssh(installation: Installation, sshd: Sshd) -> None:
    """What stands first on PATH hands over to the real program."""
    made = installation.backend.add(id="bot")
    access = {"host": "127.0.0.1", "port": sshd.port, "user": getpass.getuser()}
    made.ssh = {**access, "private_key": sshd.key}
    installation.ssh.does(f'exec {SSH} "$@"')


@pytest.mark.parametrize("key_type", ["-t ed25519", "-t rsa -m PEM"])
def test_openssh_takes_the_key_and_the_session_is_the_programs(either, sshd):
    use_openssh(either, sshd)
    sshd.does("echo reached; exit 5")
    known_hosts = Path.home() / ".ssh" / "known_hosts"
    known_before = known_hosts.read_text() if known_hosts.exists() else None

    result = either("ssh", "bot")

    assert (result.returncode, result.stdout.splitlines()[1:]) == (5, ["reached"]), result.stderr
    assert (known_hosts.read_text() if known_hosts.exists() else None) == known_before
    assert left_behind(either, sshd.key) == []


def test_kill_9_in_the_middle_of_a_session_leaves_nothing(either, sshd, tmp_path):
    use_openssh(either, sshd)
    sshd.does("echo reached; exec sleep 600")
    process = start_manage(
        "instance", "ssh", "bot", environment=either.environment, log_dir=tmp_path
    )
    wait_for_text(process, "reached")

    process.kill()

    try:
        wait_until(lambda: left_behind(either, sshd.key) == [])
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the session goes on without its parent
