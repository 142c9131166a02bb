"""What a person at the terminal sees of `serve`: starting, refusing, stopping."""

import os
import signal
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.server import RunningServer, backing_services, clean_environment, run_manage


def refusal(tmp_path: Path, *flags: str, **environment: str) -> tuple[int, str]:
    """The exit code and stderr of a `serve` that should not start."""
    done = run_manage(
        "serve", "--addr", "127.0.0.1:0", "--data", str(tmp_path / "data"), *flags,
        environment=clean_environment(tmp_path / "data", **environment),
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_it_tells_where_to_go_and_shows_the_admin_key_once(start_server: StartServer):
    server = start_server(workers=0)
    first_screen = server.process.stdout()

    server.stop()
    server.start_again()

    assert f"{server.data_dir}" in first_screen
    assert "scripted/scripted" in first_screen
    assert server.admin_key in first_screen
    assert "Admin key" not in server.process.stdout()


def test_the_admin_key_is_in_no_log(start_server: StartServer):
    server = start_server(workers=0)

    server.client.get("/api/v1/healthz")

    assert server.admin_key
    assert server.admin_key not in server.errors()


def test_a_second_server_on_the_same_data_folder_refuses_with_one_line(server: RunningServer):
    done = server.manage("serve", "--addr", "127.0.0.1:0")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "another server" in done.stderr
    assert str(server.process.pid) in done.stderr


@pytest.mark.anywhere
def test_a_busy_port_is_refused_with_one_line(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        code, stderr = refusal(tmp_path, "--addr", address)

    assert code == 1
    assert stderr == f"serve: cannot listen on {address}: Address already in use\n"


@pytest.mark.anywhere
def test_an_unwritable_data_folder_is_refused_with_one_line(tmp_path: Path):
    (tmp_path / "data").write_text("a file, where a folder should be")

    code, stderr = refusal(tmp_path)

    assert code == 1
    assert stderr.startswith("serve: cannot write to the data folder")
    assert stderr.count("\n") == 1


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--addr", "nonsense"], "argument --addr: 'nonsense' is not HOST:PORT"),
        (["--workers", "0"], "argument --workers: '0' is not a whole number above zero"),
        (["--queue", "many"], "argument --queue: 'many' is not a whole number above zero"),
        (["--job-retention", "soon"], "argument --job-retention: must be a duration"),
        (["--server", "gunicorn"], "argument --server: invalid choice: 'gunicorn'"),
        (["--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        (["--tls-cert", "only.pem"], "--tls-cert and --tls-key belong together"),
    ],
)
def test_a_bad_flag_is_refused_with_one_line_that_names_it(
    tmp_path: Path, flags: list[str], complaint: str
):
    code, stderr = refusal(tmp_path, *flags)

    assert code == 2
    assert complaint in stderr
    assert stderr.count("\n") == 1


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (["--profile", "clared"], {}),
        ([], {"STARPORT_PROFILE": "clared"}),
        (["--profile", "oss-default"], {"STARPORT_PROFILE": "cleared"}),
        (["--profile", "cleared"], {}),  # without TLS
    ],
)
def test_a_profile_that_cannot_hold_is_refused_with_exit_code_3(
    tmp_path: Path, flags: list[str], environment: dict[str, str]
):
    code, stderr = refusal(tmp_path, *flags, **environment)

    assert code == 3
    assert stderr.count("\n") == 1


@pytest.mark.anywhere
@pytest.mark.parametrize(
    "environment",
    [
        {"STARPORT_MODELS": "nonsense"},
        {"STARPORT_MODELS": "nosuchprovider:model"},
        {"STARPORT_WORKERS": "few"},
        {"STARPORT_EXECUTOR": "celery"},  # without Redis
        {"STARPORT_GRAPHS": "/no/such/folder"},
        {"STARPORT_REDACT": "secret=(unclosed"},
        {"STARPORT_ARTIFACTS_URL": "ftp://bucket"},
        {"STARPOD_API_KEY": "short"},
        {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_a_bad_setting_is_refused_with_one_line(tmp_path: Path, environment: dict[str, str]):
    code, stderr = refusal(tmp_path, **environment)

    assert code == 1
    assert stderr.startswith("serve: ")
    assert stderr.count("\n") == 1


@pytest.mark.anywhere
def test_a_bad_redaction_pattern_is_named_with_its_setting(tmp_path: Path):
    code, stderr = refusal(tmp_path, STARPORT_REDACT="(?i)password=\\S+\nsecret=(unclosed")

    assert code == 1
    assert stderr.startswith("serve: STARPORT_REDACT holds 'secret=(unclosed', which is no regular")
    assert stderr.count("\n") == 1


def test_what_it_writes_is_its_owners_alone(start_server: StartServer):
    server = start_server(workers=0)

    open_to_others = [
        path.name
        for path in server.data_dir.iterdir()
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]

    assert open_to_others == []


def test_the_start_page_leads_strangers_to_the_login(server: RunningServer):
    answer = server.anonymous.get("/")

    assert answer.status_code == 302
    assert answer.headers["Location"] == "/login?next=/"


@pytest.mark.anywhere
def test_a_missing_data_folder_is_made_for_its_owner_alone(tmp_path: Path):
    folder = tmp_path / "deep" / "data"

    done = run_manage("check", "--data", str(folder), environment=clean_environment(folder))

    assert done.returncode == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the runs are not in the data folder")
@pytest.mark.parametrize("command", ["runs list", "apikey list", "audit verify", "doctor"])
def test_a_mistyped_data_folder_is_named_and_not_made(tmp_path: Path, command: str):
    folder = tmp_path / "dtaa"

    done = run_manage(
        *command.split(), "--data", str(folder), environment=clean_environment(tmp_path)
    )

    assert done.returncode == 1
    assert done.stderr == (
        f"{command.split()[0]}: there is no data folder {folder}; --data names another one\n"
    )
    assert not folder.exists()


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("command", "code", "output"),
    [
        ("runs", 2, "usage: manage.py runs SUBCOMMAND"),
        ("runs -h", 0, "usage: manage.py runs SUBCOMMAND"),
        ("runs list -h", 1, "usage: manage.py runs list"),
        ("runs bogus", 2, "runs: unknown subcommand 'bogus'"),
        ("runs list --bogus", 1, "runs: unrecognized arguments: --bogus"),
        ("apikey -h", 0, "usage: manage.py apikey"),
        ("audit list -h", 0, "usage: manage.py audit list"),
        ("doctor -h", 1, "usage: manage.py doctor"),
        ("help", 0, ""),
    ],
)
def test_help_needs_no_data_folder_and_makes_none(
    tmp_path: Path, command: str, code: int, output: str
):
    folder = tmp_path / "dtaa"

    done = run_manage(*command.split(), environment=clean_environment(folder))

    assert done.returncode == code
    assert (done.stdout + done.stderr).startswith(output)
    assert not folder.exists()


def test_a_database_named_in_a_file_needs_no_data_folder(tmp_path: Path):
    folder, url = tmp_path / "dtaa", tmp_path / "url"
    url.write_text("postgres://nobody@127.0.0.1:1/none")

    done = run_manage(
        "runs", "list", environment=clean_environment(folder, DATABASE_URL_FILE=str(url))
    )

    assert done.returncode == 1
    assert done.stderr.startswith("runs: the database cannot be used")
    assert not folder.exists()


@pytest.mark.anywhere
@pytest.mark.parametrize("order", ["{flag} check", "check {flag}"])
def test_the_data_flag_beats_the_environment_wherever_it_stands(tmp_path: Path, order: str):
    arguments = order.format(flag=f"--data {tmp_path / 'flag'}").split()

    done = run_manage(*arguments, environment=clean_environment(tmp_path / "env"))

    assert done.returncode == 0
    assert (tmp_path / "flag").is_dir()
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("name", ["uvicorn", "daphne"])
def test_a_signal_ends_it_with_exit_code_0(
    start_server: StartServer, name: str, number: signal.Signals
):
    server = start_server(flags=["--server", name], workers=0)
    server.anonymous.get("/api/v1/healthz")

    server.process.send_signal(number)

    assert server.process.wait() == 0


def test_a_killed_servers_data_folder_is_free_again(start_server: StartServer):
    server = start_server(workers=0)
    server.kill()

    server.start_again()

    assert server.client.get("/nothing/here").status_code == 404


def test_it_answers_under_its_own_address_only(server: RunningServer):
    refused = server.anonymous.get("/", headers={"Host": "evil.example"})

    assert refused.status_code == 400
    assert "evil.example" not in refused.text


def test_it_serves_https_with_a_certificate_of_its_own(start_server: StartServer, tmp_path: Path):
    chain, key = _self_signed(tmp_path)
    server = start_server(flags=["--tls-cert", str(chain), "--tls-key", str(key)], workers=0)

    trusted = ssl.create_default_context(cafile=chain)
    answer = httpx.get(f"{server.url}/nothing/here", verify=trusted)

    assert server.url.startswith("https://")
    assert answer.status_code == 404
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def _self_signed(folder: Path) -> tuple[Path, Path]:
    chain, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-keyout", key, "-out", chain, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


def test_two_servers_may_share_a_database_when_each_has_its_folder(
    start_server: StartServer, tmp_path: Path
):
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite lies in the data folder")
    with backing_services() as services:
        first = start_server(env=services, workers=0)
        second = start_server(env=services, workers=0)

        second.client.headers["X-API-Key"] = first.admin_key
        answer = second.client.get("/api/v1/nothing")

        first.stop()
        second.stop()
    assert second.admin_key == ""
    assert answer.status_code == 404
