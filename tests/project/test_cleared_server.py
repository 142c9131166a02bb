"""A server under the cleared profile, with client certificates: its own TLS, and a proxy's word."""

import json
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.accounts.certificates import client_certificate, element
from tests.conftest import StartServer
from tests.runs.graph_api.client import GraphClient

GRANTS = json.dumps({"alice": "operator"})


@dataclass(frozen=True)
class Authority:
    """Signs certificates with openssl, as an operator would."""

    folder: Path

    def __post_init__(self) -> None:
        self._run("req", "-x509", *self._new_key("ca"), "-days", "2", "-subj", "/CN=Test CA")

    def sign(self, name: str, subject: str, extension: str) -> tuple[str, str]:
        """Certificate and key, as files."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        (self.folder / "extension").write_text(extension)
        request = ("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key)
        self._run(*request, "-out", self.folder / "request", "-subj", subject)
        self._run(
            *("x509", "-req", "-in", self.folder / "request", "-out", certificate, "-days", "2"),
            *("-CA", self.folder / "ca.pem", "-CAkey", self.folder / "ca.key", "-CAcreateserial"),
            *("-extfile", self.folder / "extension"),
        )
        return str(certificate), str(key)

    @property
    def certificate(self) -> str:
        return str(self.folder / "ca.pem")

    def _new_key(self, name: str) -> tuple[str | Path, ...]:
        paths = ("-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem")
        return ("-newkey", "rsa:2048", "-nodes", *paths)

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def trusting(authority: Authority, identity: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


def test_its_own_tls_knows_who_calls(start_server: StartServer, tmp_path: Path):
    ours, theirs = Authority(tmp_path), Authority(_folder(tmp_path / "theirs"))
    chain, key = ours.sign("server", "/CN=localhost", "subjectAltName=IP:127.0.0.1")
    alice = ours.sign("alice", "/O=Acme/CN=alice", "basicConstraints=CA:FALSE")
    forged = theirs.sign("alice", "/O=Acme/CN=alice", "basicConstraints=CA:FALSE")
    server = start_server(
        flags=[
            *("--profile", "cleared", "--tls-cert", chain, "--tls-key", key),
            *("--tls-client-ca", ours.certificate),
        ],
        env={"STARPORT_MTLS_GRANTS": GRANTS},
        workers=0,
    )

    with httpx.Client(base_url=server.url, verify=trusting(ours, alice)) as client:
        known = [client.get("/v1/runs"), client.get("/v1/runs")]  # on one connection
        denied = client.post("/v1/runs/R/respond")
    with httpx.Client(base_url=server.url, verify=trusting(ours)) as client:
        unknown = client.get("/v1/runs", headers={"X-API-Key": server.admin_key})
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/v1/runs", verify=trusting(ours, forged))

    assert [answer.status_code for answer in known] == [200, 200]
    assert denied.status_code == 403
    assert denied.json() == {
        "detail": "capability 'runs:respond' not granted under cleared profile"
    }
    assert unknown.status_code == 401
    assert unknown.json() == {"detail": "missing_client_cert"}


def test_a_proxy_on_a_declared_address_says_who_calls(start_server: StartServer):
    server = start_server(
        env={
            "STARPORT_PROFILE": "cleared",
            "STARPORT_TRUSTED_PROXIES": "127.0.0.1/32",
            "STARPORT_MTLS_GRANTS": GRANTS,
        }
    )
    relayed = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    certificate = {"X-Forwarded-Client-Cert": element(client_certificate())}

    with httpx.Client(base_url=server.url, headers={**relayed, **certificate}) as client:
        graphs = GraphClient(client)
        run_id = graphs.start('!tool fetch_url {"url": "http://example.com"}\n!turn\n!say done')
        summary = graphs.until(run_id, "done")
    unknown = httpx.get(f"{server.url}/v1/runs", headers=relayed)
    clear = httpx.get(f"{server.url}/v1/runs", headers=certificate)
    log = server.manage("runs", "show", run_id).stdout
    decisions = server.manage("audit", "list", "--actor", "alice", "--json").stdout

    assert summary["status"] == "done"
    assert "side effects (external) not permitted under cleared profile" in log
    assert '"remote_addr":"203.0.113.9"' in decisions.replace(": ", ":")
    assert unknown.json() == {"detail": "missing_client_cert"}
    assert clear.status_code == 301  # what came in the clear goes nowhere but to https


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
