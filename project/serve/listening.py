"""The socket a server listens on: bound first, so that a busy port is known before any work."""

import socket

from project.serve.options import Address

BACKLOG = 2048  # connections the kernel keeps waiting while the event loop is busy


class CannotListen(Exception):
    """The address cannot be bound. The message is one sentence for the person at the terminal."""


def bind(address: Address) -> socket.socket:
    """A socket bound to `address`, refusing connections until a server listens on it."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(target)
    except OSError as error:
        raise CannotListen(f"cannot listen on {address}: {error.strerror}") from None
    bound.setblocking(False)
    return bound


def bound_address(bound: socket.socket, host: str) -> Address:
    """`host` with the port the kernel gave, which matters when port 0 was asked for."""
    return Address(host, bound.getsockname()[1])
