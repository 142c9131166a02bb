"""The flags of `serve`, and how they become the environment that settings are read from.

Nothing of Django is imported here: flags take effect before settings are read.
"""

import argparse
import os
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NoReturn

from accounts.profiles import AUTH_PROVIDERS, PROFILES, ProfileError, choose_profile

SERVERS = ("uvicorn", "daphne")

EXIT_USAGE = 2
EXIT_PROFILE = 3


class OptionError(Exception):
    """Flags and environment do not make sense together. `exit_code` tells of which sort."""

    def __init__(self, message: str, *, exit_code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        return self.host in ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class OneLineParser(argparse.ArgumentParser):
    """Complains in one line; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--addr",
        type=parse_address,
        metavar="HOST:PORT",
        help="where to listen (default: the live setting server_addr, 127.0.0.1:8080)",
    )
    add("--data", metavar="DIR", help="where everything is kept (default: ./data)")
    add(
        "--token",
        metavar="T",
        help="bearer token of /api/v1, /metrics and /inspect/ ($STARLINGD_TOKEN)",
    )
    add("--workers", type=_count, metavar="N", help="runs executed at a time (default: 4)")
    add("--queue", type=_count, metavar="N", help="runs that may wait for a worker (default: 100)")
    add(
        "--job-retention",
        metavar="5m",
        help="how long an ended run keeps its daemon_status; -1: for ever",
    )
    add("--no-inspect", action="store_true", help="do not serve the inspector")
    add("--graphs", action="append", metavar="DIR", help="a folder of graph documents (repeatable)")
    add("--profile", metavar="NAME", help=f"security profile: {' or '.join(PROFILES)}")
    add("--no-bootstrap", action="store_true", help="do not create the first admin and key")
    add("--server", choices=SERVERS, default="uvicorn", help="ASGI server (default: uvicorn)")
    add("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate chain (PEM)")
    add("--tls-key", metavar="FILE", help="private key of --tls-cert (PEM)")
    add("--tls-client-ca", metavar="FILE", help="authorities that sign client certificates (PEM)")
    add("--allow-side-effects", action="store_true", help="as it is; refused under cleared")
    add("--allow-pack-mutation", action="store_true", help="as it is; refused under cleared")


def apply(argv: Sequence[str], environ: MutableMapping[str, str]) -> None:
    """Check the flags of `serve` and write them into `environ`. Raises `OptionError`."""
    parser = OneLineParser(
        prog="manage.py serve", description="Serve Starport.", allow_abbrev=False
    )
    add_arguments(parser)
    flags = parser.parse_args(argv)
    _apply_profile(flags, environ)
    _apply_tls(flags, environ)
    _set(environ, "STARLINGD_TOKEN", flags.token)
    _set(environ, "STARPORT_WORKERS", flags.workers)
    _set(environ, "STARPORT_QUEUE", flags.queue)
    _set(environ, "STARPORT_JOB_RETENTION", _duration(flags.job_retention))
    _set(environ, "STARPORT_GRAPHS", "\n".join(map(os.path.abspath, flags.graphs or [])) or None)
    _set(environ, "STARPORT_INSPECT", "false" if flags.no_inspect else None)
    _set(environ, "STARPORT_BOOTSTRAP", "false" if flags.no_bootstrap else None)
    if not environ.get("ALLOWED_HOSTS"):
        environ["ALLOWED_HOSTS"] = ",".join(hosts_of(flags.addr))


def _apply_profile(flags: argparse.Namespace, environ: MutableMapping[str, str]) -> None:
    try:
        profile = choose_profile(environ, flags.profile)
    except ProfileError as error:
        raise _violation(str(error)) from None
    environ["STARPORT_PROFILE"] = profile.name
    provider = environ.get("STARPORT_AUTH_PROVIDER", "").strip()
    if provider and provider not in AUTH_PROVIDERS:
        known = ", ".join(AUTH_PROVIDERS)
        raise _violation(f"STARPORT_AUTH_PROVIDER must be one of {known}, not {provider!r}")
    if provider and not profile.default_deny:
        raise _violation(f"STARPORT_AUTH_PROVIDER has no meaning under {profile.name} profile")
    for flag in ("--allow-side-effects", "--allow-pack-mutation"):
        if getattr(flags, flag[2:].replace("-", "_")) and profile.default_deny:
            raise _violation(f"{flag} not permitted under {profile.name} profile")
    if profile.tls_required:
        _require_tls(flags, environ, profile.name)


def _require_tls(
    flags: argparse.Namespace, environ: MutableMapping[str, str], profile: str
) -> None:
    if not flags.tls_cert and not environ.get("STARPORT_TRUSTED_PROXIES", "").strip(", "):
        raise _violation(
            f"the {profile} profile needs TLS: give --tls-cert and --tls-key, or name the proxy "
            "that terminates it in STARPORT_TRUSTED_PROXIES"
        )
    if environ.setdefault("STARPORT_HTTPS", "true").strip().lower() not in (
        "1",
        "true",
        "yes",
        "on",
    ):
        raise _violation(f"STARPORT_HTTPS cannot be switched off under {profile} profile")


def _violation(message: str) -> OptionError:
    return OptionError(message, exit_code=EXIT_PROFILE)


def _apply_tls(flags: argparse.Namespace, environ: MutableMapping[str, str]) -> None:
    if bool(flags.tls_cert) != bool(flags.tls_key):
        raise OptionError("--tls-cert and --tls-key belong together")
    if flags.tls_client_ca and not flags.tls_cert:
        raise OptionError("--tls-client-ca needs --tls-cert and --tls-key")
    if flags.tls_cert and flags.server != "uvicorn":
        raise OptionError("--tls-cert needs --server uvicorn")
    for path in filter(None, (flags.tls_cert, flags.tls_key, flags.tls_client_ca)):
        if not os.access(path, os.R_OK):
            raise OptionError(f"cannot read {path}")
    if flags.tls_cert:
        environ["STARPORT_HTTPS"] = "true"


def hosts_of(address: Address | None) -> list[str]:
    """Names under which a server at this address is called, unless ALLOWED_HOSTS says more."""
    local = ["localhost", "127.0.0.1", "[::1]"]
    if address is None:
        return local
    own = f"[{address.host}]" if ":" in address.host else address.host
    return local if address.is_wildcard or own in local else [*local, own]


def _set(environ: MutableMapping[str, str], name: str, value: object) -> None:
    if value is not None:
        environ[name] = str(value)


def parse_address(text: str) -> Address:
    """Raises `argparse.ArgumentTypeError`."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - ":8080" is every interface
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    if ":" in host:
        try:
            ip_address(host)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT") from None
    return Address(host, int(port))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def _duration(text: str | None) -> float | None:
    from project.env import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise OptionError(f"argument --job-retention: {error}") from None
