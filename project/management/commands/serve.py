"""`manage.py serve`: the whole of Starport in one foreground process."""

from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from project.data_folder import DataFolderError, DataFolderLock
from project.serve import announcement, gates, options, preparation, process
from project.serve.listening import CannotListen, bind, bound_address
from project.serve.preparation import NotReady, database_name
from project.serve.servers import Certificate, make_server


class Command(BaseCommand):
    help = "Serve the API, the inspector and the admin, and execute runs."
    requires_system_checks = []  # `handle` runs them and complains in one line

    def add_arguments(self, parser: CommandParser) -> None:
        options.add_arguments(parser)

    def handle(self, *args: Any, **flags: Any) -> None:
        lock = DataFolderLock(settings.DATA_DIR)
        certificate = _certificate(flags)
        try:
            preparation.refuse_bad_settings()
            if certificate is not None:
                preparation.refuse_unusable_certificate(certificate)
            gates.check_configuration(has_client_ca=bool(flags["tls_client_ca"]))
            lock.acquire()
            models = preparation.configured_models()
            preparation.migrate()
            gates.check_audit()
            preparation.register_graphs_and_triggers()
            preparation.read_settings_file()
            wanted = flags["addr"] or preparation.chosen_address()
            bound = bind(wanted)
            # Last of all: the key is shown only once, and only to whom the server starts for.
            admin_key = preparation.bootstrap()
        except (DataFolderError, CannotListen, NotReady) as error:
            self._refuse(error, 1)
        except gates.ProfileViolation as error:
            self._refuse(error, options.EXIT_PROFILE)

        from project.asgi import application, http  # reads what has just been migrated

        address = bound_address(bound, wanted.host)
        news = announcement.Announcement(
            url=_url(address, is_secure=certificate is not None),
            models=models,
            data_dir=settings.DATA_DIR,
            database=database_name(),
            executor=_executor(),
            has_inspector=settings.STARPORT_INSPECT,
            admin_key=admin_key,
            hints=_hints(address),
        )
        server = make_server(flags["server"], application, bound, certificate)
        process.run(server, http, lambda: announcement.show(news))
        lock.release()

    def _refuse(self, error: Exception, exit_code: int) -> NoReturn:
        self.stderr.write(f"serve: {error}")
        raise SystemExit(exit_code) from None


def _certificate(flags: dict[str, Any]) -> Certificate | None:
    if not flags["tls_cert"]:
        return None
    authorities = flags["tls_client_ca"]
    return Certificate(
        Path(flags["tls_cert"]), Path(flags["tls_key"]), Path(authorities) if authorities else None
    )


def _url(address: options.Address, *, is_secure: bool) -> str:
    # Nobody can open 0.0.0.0; on this machine the loopback address reaches the same server.
    reachable = options.Address("127.0.0.1", address.port) if address.is_wildcard else address
    return f"{'https' if is_secure else 'http'}://{reachable}"


def _executor() -> str:
    if settings.STARPORT_EXECUTOR == "celery":
        return "executed by Celery workers (celery -A project worker)"
    return f"executed here, up to {settings.STARPORT_WORKERS} at a time"


def _hints(address: options.Address) -> list[str]:
    if address.is_wildcard and set(settings.ALLOWED_HOSTS) <= {"localhost", "127.0.0.1", "[::1]"}:
        return ["other machines reach this server only by names listed in ALLOWED_HOSTS"]
    return []
