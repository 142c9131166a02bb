"""A server whose security profile cannot hold says so in one line, exits with 3, binds nothing."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from project.serve import gates, options
from project.serve.gates import NETWORK_FILE_SYSTEMS, file_system_of
from tests.migrated import copy_sqlite_database, template_database
from tests.server import ROOT, backing_services, clean_environment, run_manage

BEHIND_A_PROXY = {"STARPORT_PROFILE": "cleared", "STARPORT_TRUSTED_PROXIES": "127.0.0.1/32"}
TOKENS = {
    "STARPORT_JWT_JWKS_URL": "https://issuer.example/jwks.json",
    "STARPORT_JWT_ISSUER": "https://issuer.example",
    "STARPORT_JWT_AUDIENCE": "starport",
}
WITH_TOKENS = {"STARPORT_AUTH_PROVIDER": "bearer_jwt", **TOKENS}
CLEARED = {
    "STARPORT_PROFILE": "cleared",
    "STARPORT_TRUSTED_PROXIES": ["10.0.0.1/32"],
    "SECRET_KEY": "a random one of fifty characters and more: 8fj3kdl02kdm4ns",
}


@pytest.fixture
def busy_address() -> Iterator[str]:
    """Whoever tried to bind it would complain of that, with another exit code."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        yield f"127.0.0.1:{busy.getsockname()[1]}"


def serve(
    data: Path, address: str, *flags: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return run_manage(
        *("serve", "--addr", address, "--data", str(data), *flags),
        environment=clean_environment(data, **environment),
    )


def certificate(folder: Path) -> list[str]:
    """Flags of `serve` for a certificate of its own."""
    chain, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-keyout", key, "-out", chain, "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return ["--tls-cert", str(chain), "--tls-key", str(key)]


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("flags", "environment", "complaint"),
    [
        ([], {"STARGRAPH_PROFILE": "cleard"}, "unknown profile 'cleard'"),
        (
            ["--allow-side-effects"],
            BEHIND_A_PROXY,
            "--allow-side-effects not permitted under cleared profile",
        ),
        ([], {**BEHIND_A_PROXY, "DEBUG": "true"}, "DEBUG not permitted under cleared profile"),
        ([], {**BEHIND_A_PROXY, "STARPORT_MTLS_GRANTS": "{"}, "STARPORT_MTLS_GRANTS is not JSON"),
    ],
    ids=["name", "flag", "debug", "grants"],
)
def test_a_profile_that_cannot_hold_is_refused(
    tmp_path: Path, busy_address: str, flags: list[str], environment: dict[str, str], complaint: str
):
    done = serve(tmp_path / "data", busy_address, *flags, **environment)

    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith(f"serve: {complaint}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("flags", "environment", "complaint"),
    [
        (["--profile", "clared"], {}, "unknown profile 'clared'"),
        (
            ["--profile", "oss-default"],
            {"STARGRAPH_PROFILE": "cleared"},
            "--profile says 'oss-default' and STARGRAPH_PROFILE says 'cleared'",
        ),
        (
            [],
            {"STARPORT_PROFILE": "cleared", "STARGRAPH_PROFILE": "oss-default"},
            "STARPORT_PROFILE says 'cleared' and STARGRAPH_PROFILE says 'oss-default'",
        ),
        ([], {"STARGRAPH_PROFILE": "cleared"}, "needs TLS"),
        ([], {**BEHIND_A_PROXY, "STARPORT_TRUSTED_PROXIES": " , "}, "needs TLS"),
        ([], {**BEHIND_A_PROXY, "STARPORT_HTTPS": "false"}, "STARPORT_HTTPS"),
        (["--allow-pack-mutation"], BEHIND_A_PROXY, "--allow-pack-mutation not permitted"),
        ([], {**BEHIND_A_PROXY, "STARPORT_AUTH_PROVIDER": "bypass"}, "'bypass'"),
        ([], {"STARPORT_AUTH_PROVIDER": "mtls"}, "no meaning under oss-default profile"),
    ],
)
def test_flags_and_environment_that_break_a_profile(
    flags: list[str], environment: dict[str, str], complaint: str
):
    with pytest.raises(options.OptionError, match=re.escape(complaint)) as refusal:
        options.apply(flags, dict(environment))

    assert refusal.value.exit_code == 3


@pytest.mark.anywhere
def test_flags_of_stargraph_mean_nothing_under_the_default_profile():
    environment: dict[str, str] = {}

    options.apply(["--allow-side-effects", "--allow-pack-mutation"], environment)

    assert environment["STARPORT_PROFILE"] == "oss-default"


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"STARPORT_TRUSTED_PROXIES": ["10.0.0.1/32", "0.0.0.0/0"]}, "0.0.0.0/0 is everybody"),
        ({"STARPORT_TRUSTED_PROXIES": []}, "--tls-client-ca"),
        ({"STARLINGD_TOKEN": "a-daemon-token"}, "no daemon token"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 50}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"STARPORT_MTLS_GRANTS": '{"a": "king"}'}, "a role or a list"),
        ({"STARPORT_MTLS_GRANTS": '{"a": "user"}'}, "the role user"),
        ({"STARPORT_AUTH_PROVIDER": "bearer_jwt"}, "set STARPORT_JWT_JWKS_URL"),
        ({**WITH_TOKENS, "STARPORT_JWT_JWKS_URL": "http://issuer.example/"}, "https under cleared"),
        ({**TOKENS, "STARPORT_PROFILE": "oss-default", "STARPORT_JWT_ISSUER": ""}, "_ISSUER must"),
        (
            {**TOKENS, "STARPORT_PROFILE": "oss-default", "STARPORT_JWT_JWKS_URL": "/keys.json"},
            "http or https",
        ),
    ],
)
def test_settings_that_break_a_profile(settings: Any, values: dict[str, Any], complaint: str):
    _apply(settings, {**CLEARED, **values})

    with pytest.raises(gates.ProfileViolation, match=re.escape(complaint)):
        gates.check_configuration(has_client_ca=False)


@pytest.mark.anywhere
@pytest.mark.parametrize("values", [{}, WITH_TOKENS, {"STARPORT_AUTH_PROVIDER": "api_key"}])
def test_settings_that_hold_pass(settings: Any, values: dict[str, Any]):
    _apply(settings, {**CLEARED, **values})

    gates.check_configuration(has_client_ca=False)


def _apply(settings: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)


@pytest.mark.anywhere
@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-client-ca"])
def test_a_certificate_that_is_none_is_refused_with_one_line(
    tmp_path: Path, busy_address: str, flag: str
):
    (tmp_path / "nonsense.pem").write_text("nonsense")
    flags = [*certificate(tmp_path), flag, str(tmp_path / "nonsense.pem")]

    done = serve(tmp_path / "data", busy_address, *flags)

    assert done.returncode == 1
    assert "nonsense.pem cannot be used for TLS" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("UPDATE accounts_auditrecord SET actor = 'mallory' WHERE seq = 2", "broken at record 2"),
        ("ALTER TABLE accounts_auditrecord DROP COLUMN pack_id", "cannot be written"),
    ],
    ids=["changed", "unwritable"],
)
def test_an_audit_trail_that_cannot_be_trusted_stops_the_cleared_profile(
    tmp_path: Path, busy_address: str, damage: str, complaint: str
):
    data = tmp_path / "data"
    data.mkdir()
    copy_sqlite_database(data)
    with backing_services(template=template_database()) as services:
        script = (
            "from accounts import audit\n"
            "from django.db import connection\n"
            "for _ in range(3): audit.record('stream_opened', actor='alice', durable=True)\n"
            f"connection.cursor().execute({damage!r})"
        )
        environment = clean_environment(data, **services)
        damaged = run_manage("shell", "-c", script, environment=environment)
        assert damaged.returncode == 0, damaged.stderr

        done = serve(data, busy_address, **services, **BEHIND_A_PROXY)

    assert done.returncode == 3, done.stderr
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv rw,relatime shared:2 - nfs4 files:/export rw
31 30 8:2 / /srv/local rw,relatime - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/my\\040share rw - cifs //files/share rw
33 22 0:42 / /auto rw - autofs systemd-1 rw
34 22 0:43 / /auto rw - nfs files:/auto rw
"""


@pytest.mark.anywhere
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/starport", "ext4"),
        ("/srv/starport", "nfs4"),
        ("/srv/local/starport", "xfs"),
        ("/srvx", "ext4"),
        ("/mnt/my share", "cifs"),
        ("/auto/data", "nfs"),
    ],
)
def test_it_knows_the_file_system_of_a_folder(folder: str, kind: str):
    assert file_system_of(Path(folder), MOUNTS) == kind


@pytest.mark.anywhere
def test_the_reference_names_what_is_refused_as_a_network_file_system():
    page = (ROOT / "docs/howto/access.md").read_text()

    assert set(re.findall(r"`([a-z0-9]+)`", page)) >= NETWORK_FILE_SYSTEMS
