"""From a client certificate to the principal it names: our own TLS's, or a declared proxy's word.

A proxy says whose connection it relays in `X-Forwarded-Client-Cert` (XFCC): one element per hop,
each `Key=Value;Key="quoted value"`. Only the peer's own element counts, the last one, and only of
a peer whose address `STARPORT_TRUSTED_PROXIES` names.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.http import HttpRequest

from accounts.capabilities import ROLE_CAPABILITIES
from accounts.errors import InvalidClientCertificate
from accounts.principals import Principal, external_principal

#: Where the ASGI scope keeps the address that connected, before a proxy's word replaces `client`.
PEER = "starport.peer"

_XFCC = b"x-forwarded-client-cert"
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
# A quotation mark opens a value or nothing: who sends a lone one must not be able to shift where
# the proxy's element begins.
_PAIR = re.compile(rf'([A-Za-z]+)=(?:{_QUOTED}|([^",;]*))(?=[,;]|$)')
_COMMON_NAME = re.compile(r"(?:^|[,/+])\s*CN=((?:[^,/+\\]|\\.)+)", re.IGNORECASE)

Element = dict[str, str]


class GrantsError(ValueError):
    """`STARPORT_MTLS_GRANTS` makes no sense. The message is the rest of a sentence about it."""


def certificate_principal(request: HttpRequest) -> Principal | None:
    """The principal of the client certificate behind a request; `None` when there is none.

    Raises `InvalidClientCertificate`.
    """
    scope: Mapping[str, Any] = getattr(request, "scope", {})
    if not comes_from_trusted_proxy(scope):
        chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain") or [""]
        return _principal_of_pem(chain[0])
    element = _last_element(scope.get("headers", ()))
    if element.get("Cert"):
        return _principal_of_pem(unquote(element["Cert"]))
    return _principal_of_subject(element.get("Subject", ""))


def comes_from_trusted_proxy(scope: Mapping[str, Any]) -> bool:
    address = scope.get(PEER) or (scope.get("client") or ("", 0))[0]
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in ipaddress.ip_network(net) for net in settings.STARPORT_TRUSTED_PROXIES)


def read_grants(text: str) -> dict[str, frozenset[str]]:
    """`STARPORT_MTLS_GRANTS`: common name → capabilities, written as a role or a list of them.

    Raises `GrantsError`.
    """
    try:
        mapping = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise GrantsError("is not JSON") from None
    if not isinstance(mapping, dict):
        raise GrantsError("must be an object of common names")
    return {name: _granted(name, value) for name, value in mapping.items()}


def _granted(name: str, value: object) -> frozenset[str]:
    if value == "user":
        raise GrantsError(f"gives {name!r} the role user, which needs a user that owns its runs")
    if isinstance(value, str) and value in ROLE_CAPABILITIES:
        return ROLE_CAPABILITIES[value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(value)
    raise GrantsError(f"must give {name!r} a role or a list of capabilities")


_grants = lru_cache(maxsize=4)(read_grants)


def _principal_of_pem(pem: str) -> Principal | None:
    if not pem:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        subject = str(names[0].value) if names else certificate.subject.rfc4514_string()
        expires_at = certificate.not_valid_after_utc.timestamp()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise InvalidClientCertificate from error
    return _usable(
        external_principal(
            actor=subject,
            grants=_grants(settings.STARPORT_MTLS_GRANTS).get(subject, frozenset()),
            provider="mtls",
            expires_at=expires_at,
            session_id=f"{certificate.serial_number:x}",
        )
    )


def _principal_of_subject(subject: str) -> Principal | None:
    """A name without its certificate proves less, so it is granted nothing."""
    if not subject:
        return None
    found = _COMMON_NAME.search(subject)
    name = re.sub(r"\\(.)", r"\1", found[1]).strip() if found else subject
    return _usable(external_principal(actor=name, grants=frozenset(), provider="mtls"))


def _usable(principal: Principal | None) -> Principal:
    if principal is None:
        raise InvalidClientCertificate("unusable_subject")
    return principal


def _last_element(headers: Iterable[tuple[bytes, bytes]]) -> Element:
    # Not from `request.META`, which does not tell x-forwarded-client-cert from its spelling with
    # underscores; proxies clean the one and pass the other on.
    sent = ",".join(value.decode("latin-1") for name, value in headers if name == _XFCC)
    elements = parse_elements(sent)
    return elements[-1] if elements else {}


def parse_elements(header: str) -> list[Element]:
    """The elements of an XFCC header, keys case-sensitive, the first of equal keys.

    Raises `InvalidClientCertificate` for anything that could be read in two ways.
    """
    elements: list[Element] = [{}] if header else []
    at = 0
    while at < len(header):
        if header[at] in " \t":
            at += 1
            continue
        pair = _PAIR.match(header, at)
        if pair is None:
            raise InvalidClientCertificate("malformed_header")
        key, quoted, plain = pair.groups()
        value = plain.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        elements[-1].setdefault(key, value)
        at = pair.end() + 1
        if header[pair.end() : at] == ",":
            elements.append({})
    return elements
