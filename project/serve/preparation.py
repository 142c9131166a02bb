"""What has to be in order before a server may listen. Each step complains in one sentence."""

import ssl
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connection

from accounts.errors import InvalidValue
from accounts.services.bootstrap import bootstrap_admin
from chat.live_settings import current
from chat.live_settings.file import SettingsFile
from chat.live_settings.groups import General
from project.serve.options import Address, hosts_of, parse_address
from project.serve.servers import Certificate
from runs import operator_settings
from runs.errors import ModelNotFound, TriggersFileInvalid
from runs.graphs.problems import GraphInvalid
from runs.graphs.registry import built_in_graphs, keep_versions, register_files
from runs.providers import registry
from runs.triggers.file import apply_triggers_file

# Any number, the same in every process: servers that start together migrate one after another.
_MIGRATION_LOCK = 7_283_901


class NotReady(Exception):
    """The server cannot start. The message is one sentence for the person at the terminal."""


def refuse_bad_settings() -> None:
    """Raise `NotReady` for what `manage.py check` complains about."""
    for problem in checks.run_checks():
        if problem.is_serious():
            hint = f" {problem.hint}" if problem.hint else ""
            raise NotReady(f"{problem.msg}{hint}")


def refuse_unusable_certificate(certificate: Certificate) -> None:
    """Raise `NotReady` for files that TLS could not be spoken with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = certificate.chain
    try:
        context.load_cert_chain(certificate.chain, certificate.key)
        if certificate.client_authorities is not None:
            path = certificate.client_authorities
            context.load_verify_locations(path)
    except OSError as error:  # SSLError among them
        reason = getattr(error, "reason", None) or error.strerror
        raise NotReady(f"{path} cannot be used for TLS: {reason}") from error


def configured_models() -> list[str]:
    """In wire form, the default first. Raises `NotReady`."""
    operator_settings.refresh()  # a key that was entered in the admin is as good as a variable
    try:
        registry.check_configuration()
        return registry.configured_models()
    except ModelNotFound as error:
        raise NotReady(str(error)) from error


def migrate() -> None:
    """Bring the database up to date. Raises `NotReady`."""
    with _database_errors():
        _migrate()


def register_graphs_and_triggers() -> None:
    """Store what the files of `--graphs` and `config/triggers.yaml` say. Raises `NotReady`."""
    try:
        with _database_errors():
            keep_versions(built_in_graphs().values())
            register_files()
            apply_triggers_file(settings.STARPORT_TRIGGERS_FILE)
    except (GraphInvalid, OSError, UnicodeDecodeError) as error:
        raise NotReady(f"a graph is refused: {error}") from error
    except TriggersFileInvalid as error:
        raise NotReady(str(error)) from None


def read_settings_file() -> None:
    """Make `config/agent.toml` count. A bad one is reported, and what it said before counts."""
    with _database_errors():
        SettingsFile(settings.STARPORT_SETTINGS_FILE).look()


def chosen_address() -> Address:
    """Where to listen by the live settings. Raises `NotReady`."""
    with _database_errors():
        chosen = current(General).server_addr
    try:
        address = parse_address(chosen)
    except ArgumentTypeError as error:
        raise NotReady(f"the setting server_addr cannot be used: {error}") from None
    known = settings.ALLOWED_HOSTS
    settings.ALLOWED_HOSTS = [*known, *(host for host in hosts_of(address) if host not in known)]
    return address


def bootstrap() -> str | None:
    """Create the first admin; their key, to be shown once. Raises `NotReady`."""
    if not settings.STARPORT_BOOTSTRAP:
        return None
    try:
        with _database_errors():
            return bootstrap_admin(imported_key=settings.STARPOD_API_KEY).secret
    except InvalidValue as error:
        raise NotReady(f"STARPOD_API_KEY: {error}") from error


def database_name() -> str:
    return "SQLite" if connection.vendor == "sqlite" else "PostgreSQL"


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise NotReady(f"the database cannot be used: {_first_line(error)}") from error


def _migrate() -> None:
    if connection.vendor != "postgresql":
        call_command("migrate", interactive=False, verbosity=0)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
