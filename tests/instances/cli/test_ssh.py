"""`manage.py instance ssh`: how ssh is called, and that no key stays anywhere, however it ends."""

import os

import pytest

from tests.instances.cli.conftest import Installation
from tests.instances.cli.leftovers import left_behind, wait_until
from tests.server import run_manage

SECRET = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUtYnV0LXNlY3JldA"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"


def add(installation: Installation, **changes: object) -> None:
    """An instance named `bot` with a key of its own."""
    made = installation.backend.add(id="bot")
    made.ssh = {"host": "127.0.0.1", "port": 2222, "user": "agent", "private_key": KEY, **changes}


# --- How it is called -------------------------------------------------------------------------


def test_ssh_is_called_with_the_key_and_nothing_of_ones_own(either):
    add(either)

    result = either("ssh", "bot")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Connecting to agent@127.0.0.1:2222...\n"
    words = either.ssh.arguments
    assert words[:2] == ["-p", "2222"]
    assert words[-2:] == ["--", "agent@127.0.0.1"]
    assert words.count("-i") == 1
    for setting in ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "AddKeysToAgent=no"):
        assert words[words.index(setting) - 1] == "-o"


def test_the_key_can_be_read_by_its_owner_alone(either):
    add(either)

    either("ssh", "bot")

    assert either.ssh.key == KEY
    assert either.ssh.mode == ("600", os.getuid())


def test_each_session_has_known_hosts_of_its_own(either):
    add(either)
    either.ssh.does('cat "$hosts" > "$here/known"; echo "a host key" >> "$hosts"')

    either("ssh", "bot")
    either("ssh", "bot")

    assert either.ssh.read("known") == ""


def test_a_key_is_put_as_openssh_reads_it(instance):
    add(instance, private_key=KEY.replace("\n", "\r\n").rstrip())

    instance("ssh", "bot")

    assert instance.ssh.key == KEY


@pytest.mark.parametrize("key", [{}, {"private_key": None}])
def test_without_a_key_ssh_does_what_it_always_does(instance, key):
    instance.backend.add(id="bot").ssh = {"host": "::1", "port": 22, "user": "me", **key}

    result = instance("ssh", "bot")

    assert result.returncode == 0
    assert instance.ssh.arguments == ["-p", "22", "--", "me@::1"]


def test_its_exit_code_is_that_of_ssh(either):
    add(either)
    either.ssh.does("exit 37")

    assert either("ssh", "bot").returncode == 37
    assert left_behind(either, KEY) == []


@pytest.mark.parametrize(
    "access",
    [
        {"host": "-oProxyCommand=touch owned"},
        {"host": "a b"},
        {"host": "a;touch owned"},
        {"host": "$(touch owned)"},
        {"host": "a\nb"},
        {"host": ""},
        {"host": "fe80::1%-oProxyCommand=x"},
        {"host": "a" * 300},
        {"user": "-l"},
        {"user": "root@elsewhere"},
        {"user": "`id`"},
        {"user": ""},
        {"user": "me\x1b[2J"},
        {"port": 0},
        {"port": 65_536},
        {"port": -1},
    ],
)
def test_what_is_no_host_user_or_port_never_reaches_ssh(instance, access):
    add(instance, **access)

    result = instance("ssh", "bot")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Failed to open SSH to instance bot: ")
    assert not {"owned", "elsewhere", "\x1b"} & set(result.stderr.split("\n")[0].split())
    assert not instance.ssh.was_started


# --- That no key stays ------------------------------------------------------------------------


def test_the_key_is_in_no_argument_output_record_or_file(either):
    add(either)

    result = either("ssh", "bot")

    assert "/" in either.ssh.arguments[either.ssh.arguments.index("-i") + 1]
    audit = either.audit()
    assert '"operation":"ssh"' in audit.replace(": ", ":")
    for text in (*either.ssh.arguments, result.stdout, result.stderr, audit):
        assert SECRET not in text
    assert left_behind(either, KEY) == []


def test_a_key_in_memory_never_has_a_name_in_a_folder(instance):
    add(instance)
    instance.ssh.does('ls -R "$TMPDIR" "$XDG_RUNTIME_DIR" /dev/shm > "$here/listing"')

    instance("ssh", "bot")

    assert "starport" not in instance.ssh.read("listing")


@pytest.mark.parametrize("signal_name", ["INT", "TERM", "HUP", "QUIT"])
def test_a_signal_goes_to_ssh_and_leaves_nothing(either, signal_name):
    add(either)
    wait = "for _ in $(seq 500); do sleep 0.02; done"
    either.ssh.does(f"trap 'exit 42' {signal_name}; kill -{signal_name} $cli; {wait}")

    assert either("ssh", "bot").returncode == 42
    assert left_behind(either, KEY) == []


def test_an_ssh_that_a_signal_ends_is_a_failure_and_leaves_nothing(either):
    add(either)
    either.ssh.does("kill -TERM $cli; exec sleep 600")

    assert either("ssh", "bot").returncode == 1
    assert left_behind(either, KEY) == []


def test_kill_9_in_the_middle_leaves_nothing(either):
    add(either)
    either.ssh.does('kill -9 $cli; sleep 0.1; echo > "$here/went-on"')

    result = either("ssh", "bot")

    assert result.returncode == -9
    wait_until(lambda: either.ssh.has("went-on"))
    wait_until(lambda: left_behind(either, KEY) == [])


def test_an_ssh_that_is_suspended_gives_the_shell_its_terminal_back(instance):
    add(instance)
    # What a shell does: it sees its job stopped, and later continues it.
    instance.ssh.does(
        """
        is_stopped() { grep -q '^State:.T' /proc/$cli/status; }
        (until is_stopped; do sleep 0.02; done; echo > "$here/stopped"; kill -CONT $cli) &
        kill -STOP $$
        exit 7
        """
    )

    assert instance("ssh", "bot").returncode == 7
    assert instance.ssh.has("stopped")


def test_without_an_ssh_program_it_says_so_and_leaves_nothing(either, tmp_path):
    add(either)
    environment = {**either.environment, "PATH": str(tmp_path)}

    result = run_manage("instance", "ssh", "bot", environment=environment)

    assert result.returncode == 1
    assert result.stderr == "Failed to start ssh: there is no such program on PATH\n"
    assert left_behind(either, KEY) == []


def test_an_ssh_that_cannot_be_started_leaves_nothing(either, tmp_path):
    add(either)
    (tmp_path / "ssh").write_text("not a program")
    environment = {**either.environment, "PATH": str(tmp_path)}

    result = run_manage("instance", "ssh", "bot", environment=environment)

    assert result.returncode == 1
    assert result.stderr == "Failed to start ssh: Permission denied\n"
    assert left_behind(either, KEY) == []
