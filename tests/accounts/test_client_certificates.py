"""Client certificates under the cleared profile: believed of a declared proxy, and of nobody else.

Those of our own TLS are in tests/project/test_cleared_server.py.
"""

import json
from typing import Any

import pytest

from accounts.authentication import authenticate_scope, is_still_valid
from accounts.client_certificates import PEER
from accounts.errors import InvalidClientCertificate, MissingClientCertificate
from tests.accounts.cast import facts
from tests.accounts.certificates import client_certificate, element
from tests.accounts.scopes import http_scope

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _behind_a_proxy(settings):
    settings.STARPORT_PROFILE, settings.STARPORT_AUTH_PROVIDER = "cleared", "mtls"
    settings.STARPORT_TRUSTED_PROXIES = ["10.1.0.0/16"]
    settings.STARPORT_MTLS_GRANTS = json.dumps({"alice": "viewer", "robot": ["runs:start"]})


def scope(header: str, *, peer: str = "10.1.2.3") -> dict[str, Any]:
    return {**http_scope(x_forwarded_client_cert=header), "client": (peer, 40000)}


def test_a_declared_proxy_says_whose_connection_it_relays():
    principal = authenticate_scope(scope(element(client_certificate())))

    assert principal.actor == "alice"
    assert principal.capabilities == {"runs:read", "artifacts:read", "instances:read"}
    assert principal.sees_all_runs
    assert principal.user_id is None
    assert is_still_valid(principal)
    assert facts("auth_succeeded")[-1]["session_id"] == "abc123"


def test_grants_can_be_single_capabilities_and_are_none_by_default():
    robot = authenticate_scope(scope(element(client_certificate(common_name="robot"))))
    stranger = authenticate_scope(scope(element(client_certificate(common_name="mallory"))))

    assert robot.capabilities == {"runs:start"}
    assert not robot.sees_all_runs
    assert stranger.capabilities == frozenset()


def test_without_a_common_name_the_whole_subject_is_the_actor():
    principal = authenticate_scope(scope(element(client_certificate(common_name=None))))

    assert principal.actor == "O=Acme"


def test_nobody_else_is_believed():
    with pytest.raises(MissingClientCertificate):
        authenticate_scope(scope(element(client_certificate()), peer="10.2.0.1"))


def test_what_the_proxy_says_of_the_address_does_not_make_a_proxy():
    """`client` is the client's address once X-Forwarded-For was read; the peer is what counts."""
    header = element(client_certificate())

    relayed = authenticate_scope({**scope(header, peer="8.8.8.8"), PEER: "10.1.2.3"})

    assert relayed.actor == "alice"
    with pytest.raises(MissingClientCertificate):
        authenticate_scope({**scope(header, peer="10.1.2.3"), PEER: "8.8.8.8"})


def test_of_several_hops_the_last_one_counts():
    inner = element(client_certificate(common_name="mallory"))
    header = f"{inner},{element(client_certificate())}"

    assert authenticate_scope(scope(header)).actor == "alice"


@pytest.mark.parametrize(
    "sent",
    [
        'Subject="',
        'x="',
        '"',
        'a="b',
        'a="b"c',
        "a",
        "=",
        ";",
        'Subject="CN=admin" ',
        'Subject="CN=admin";',
    ],
)
def test_a_client_cannot_shift_what_the_proxy_appends(sent):
    """A lone quotation mark would move the border between its element and the proxy's."""
    header = f'{sent},Hash=0;Subject="CN=bob,O=\\",Subject=\\"CN=admin"'

    try:
        actor = authenticate_scope(scope(header)).actor
    except InvalidClientCertificate:
        return
    assert actor == "bob"


def test_another_spelling_of_the_header_is_another_header():
    spoofed = scope(element(client_certificate(common_name="bob")))
    forged = element(client_certificate()).encode()
    spoofed["headers"].append((b"x_forwarded_client_cert", forged))

    assert authenticate_scope(spoofed).actor == "bob"


@pytest.mark.parametrize(
    ("subject", "actor"),
    [
        ('"CN=alice,O=Acme"', "alice"),
        ('"O=Acme,CN=alice"', "alice"),
        ('"/O=Acme/CN=alice"', "alice"),
        ('"CN=Smith\\\\, Alice"', "Smith, Alice"),
        ("CN=alice", "alice"),
        ('"O=Acme"', "O=Acme"),
    ],
)
def test_a_subject_alone_names_somebody_and_grants_nothing(subject, actor):
    principal = authenticate_scope(scope(f"Subject={subject}"))

    assert principal.actor == actor
    assert principal.capabilities == frozenset()


@pytest.mark.parametrize("header", ["", "Hash=00", 'Subject=""', 'Cert="";Subject=""', 'cert="x"'])
def test_an_empty_element_is_no_certificate(header):
    with pytest.raises(MissingClientCertificate):
        authenticate_scope(scope(header))


@pytest.mark.parametrize(
    "header",
    [
        'Cert="nonsense"',
        'Cert="-----BEGIN%20CERTIFICATE-----%0AAAAA%0A-----END%20CERTIFICATE-----"',
        'Subject="CN=anonymous"',
        'Subject="CN=daemon"',
        f'Subject="{"x" * 201}"',
        'Subject="unterminated',
    ],
)
def test_what_names_nobody_is_refused(header):
    with pytest.raises(InvalidClientCertificate):
        authenticate_scope(scope(header))
