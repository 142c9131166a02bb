"""A token issuer on loopback: keys of its own, served as a JWKS, and tokens signed with them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.example", "starport"


@cache  # an RSA key takes a while to find
def _keys() -> dict[str, Any]:
    return {
        "ed": Ed25519PrivateKey.generate(),
        "rsa": generate_private_key(public_exponent=65537, key_size=2048),
    }


@dataclass
class Issuer:
    """`sign` makes tokens that count; its arguments spoil them."""

    keys: dict[str, Any] = field(default_factory=lambda: dict(_keys()))
    url: str = ""
    fetches: int = 0
    is_down: bool = False

    @property
    def settings(self) -> dict[str, str]:
        return {
            "STARPORT_JWT_JWKS_URL": self.url,
            "STARPORT_JWT_ISSUER": ISSUER,
            "STARPORT_JWT_AUDIENCE": AUDIENCE,
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims that count; `None` leaves one out."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 600}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def sign(self, *, key: str = "ed", kid: str | None = None, **changes: Any) -> str:
        private = self.keys[key]
        algorithm = "RS256" if isinstance(private, RSAPrivateKey) else "EdDSA"
        headers = {"kid": kid or key}
        return jwt.encode(self.claims(**changes), private, algorithm=algorithm, headers=headers)

    def headers(self, **changes: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign(**changes)}"}

    def public_keys(self) -> bytes:
        self.fetches += 1
        return json.dumps({"keys": [_jwk(kid, key) for kid, key in self.keys.items()]}).encode()


def _jwk(kid: str, private: Any) -> dict[str, Any]:
    algorithm: Any = RSAAlgorithm if isinstance(private, RSAPrivateKey) else OKPAlgorithm
    return {**algorithm.to_jwk(private.public_key(), as_dict=True), "kid": kid, "use": "sig"}


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"" if issuer.is_down else issuer.public_keys()
            self.send_response(503 if issuer.is_down else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
