"""`manage.py instance_backend`: instances of this machine, for a Starport on another one."""

import logging
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from accounts.credentials import is_loopback
from instances.backends import local_folder
from instances.backends.local import LocalBackend, supervise
from instances.backends.serving import Serving
from project.lib.draining import start_draining
from project.serve import preparation
from project.serve.listening import CannotListen, bind, bound_address
from project.serve.options import Address, parse_address
from project.serve.preparation import NotReady
from project.serve.process import stop_on_signals
from project.serve.servers import AsgiServer, UvicornServer
from project.version import VERSION

logger = logging.getLogger(__name__)

KEY_CHARS = 16


class Command(BaseCommand):
    help = "Run instances on this machine and let a Starport elsewhere manage them over HTTP."
    requires_system_checks = []  # `handle` runs them and complains in one line

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--addr",
            type=parse_address,
            default=Address("127.0.0.1", 8090),
            metavar="HOST:PORT",
            help="where to listen (default: 127.0.0.1:8090)",
        )

    def handle(self, *args: Any, **flags: Any) -> None:
        wanted: Address = flags["addr"]
        key = settings.STARPORT_INSTANCE_BACKEND_KEY
        if not key:
            self._refuse(
                "set STARPOD_INSTANCE_API_KEY: whoever can reach the address could start programs "
                "on this machine"
            )
        if len(key) < KEY_CHARS:
            self._refuse(
                f"STARPOD_INSTANCE_API_KEY has less than {KEY_CHARS} characters and can be guessed"
            )
        try:
            preparation.refuse_bad_settings()
            bound = bind(wanted)
        except (CannotListen, NotReady) as error:
            self._refuse(str(error))
        address = bound_address(bound, wanted.host)
        backend = LocalBackend(local_folder())
        # An address on this machine's loopback is of use to nobody on another machine.
        is_local = is_loopback(bound.getsockname()[0])
        if not is_local:
            logger.warning(
                "the key and all logs travel unencrypted: put TLS in front of this address"
            )
        serving = Serving(backend, api_key=key, shows_addresses=is_local)
        screen = f"Starport {VERSION} runs instances for http://{address}"
        server = UvicornServer(serving.app, bound, None)

        async def main(server: AsgiServer) -> None:
            stop = stop_on_signals()
            async with supervise(local_folder()):
                await server.start()
                self.stdout.write(f"{screen}\n  Data      {local_folder()}")
                self.stdout.flush()
                await stop.wait()
                logger.info("draining")
                start_draining()
                serving.end_streams()
                await server.stop()  # first, so that nobody starts what is being stopped
            await backend.aclose()

        server.run(main)

    def _refuse(self, message: str) -> NoReturn:
        self.stderr.write(f"instance_backend: {message}")
        raise SystemExit(1)
