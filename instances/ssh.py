"""A session of the system's `ssh` with an instance, by what its backend says of it.

The backend is not trusted with this machine: neither host nor user may be an option or anything
else that ssh or a shell would read more into, and with a key that somebody sent over, nothing of
the person's own is offered to whoever answers.
"""

import ipaddress
import re
from collections.abc import Sequence

from instances.errors import BackendFailed
from instances.foreground import run_in_foreground
from instances.lent_key import Lent, lend
from instances.objects import SshAccess

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_LAST_PORT = 65_535


def check_access(access: SshAccess) -> None:
    """Raises `BackendFailed` for what ssh must not be given. The message repeats none of it."""
    if not _is_host(access.host):
        raise BackendFailed("the backend names no host that ssh could be given")
    if not _USER.fullmatch(access.user):
        raise BackendFailed("the backend names no user that ssh could be given")
    if not 1 <= access.port <= _LAST_PORT:
        raise BackendFailed("the backend names no port that ssh could be given")


def run_ssh(access: SshAccess) -> int:
    """Until the session ends. Returns the exit code of ssh, 1 if a signal ended it.

    Raises `BackendFailed` as `check_access` does, and `OSError` when ssh cannot be started. No key
    is left behind, however this ends.
    """
    check_access(access)
    if not access.private_key:
        return run_in_foreground(_command(access))
    with lend(access.private_key) as lent:
        return run_in_foreground(_command(access, lent))


def _command(access: SshAccess, lent: Lent | None = None) -> Sequence[str]:
    options = _options_with(lent) if lent else ()
    target = f"{access.user}@{access.host}"
    return ("ssh", "-p", str(access.port), *options, "--", target)


def _options_with(lent: Lent) -> Sequence[str]:
    """`-i`, and what it takes that this key is the only thing used, and used once."""
    settings = {
        "IdentitiesOnly": "yes",  # no other key, neither of an agent nor from the home directory
        "AddKeysToAgent": "no",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ControlPath": "none",  # no connection that outlives this one, or that came before it
        # A new machine has a host key that nobody knows yet, and its address had others before.
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": lent.known_hosts,
        "UpdateHostKeys": "no",
    }
    pairs = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    return ("-i", lent.key, *pairs)


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _HOST_NAME.fullmatch(host) is not None
    return "%" not in host  # the zone of an address may be any text
