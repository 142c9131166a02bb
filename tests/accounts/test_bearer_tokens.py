"""Tokens that a configured issuer signed, beside API keys and as the one kind there is."""

import time
from collections.abc import Iterator

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accounts import jwks
from accounts.authentication import authenticate_scope, is_still_valid
from accounts.errors import InvalidToken
from accounts.jwks import KeySet, KeysUnavailable
from tests.accounts.cast import facts
from tests.accounts.issuer import Issuer, running_issuer
from tests.accounts.scopes import http_scope, socket_scope

pytestmark = pytest.mark.django_db

LONG_AGO = 1_000_000_000
SHARED_SECRET = "a secret that issuer and server would have to share"


@pytest.fixture
def issuer(settings) -> Iterator[Issuer]:
    jwks.forget()
    with running_issuer() as issuer:
        for name, value in issuer.settings.items():
            setattr(settings, name, value)
        yield issuer
    jwks.forget()


@pytest.fixture
def only_tokens(settings, issuer: Issuer) -> Issuer:
    settings.STARPORT_PROFILE = "cleared"
    settings.STARPORT_AUTH_PROVIDER = "bearer_jwt"
    return issuer


@pytest.mark.parametrize("key", ["ed", "rsa"])
def test_the_subject_is_the_actor_and_sees_all_runs(client, issuer, key):
    headers = issuer.headers(key=key, caps=["runs:read"], jti="token-1")

    answer = client.get("/v1/runs", headers=headers)

    assert answer.json() == {
        "actor": "alice",
        "provider": "bearer_jwt",
        "user": "AnonymousUser",
        "sees_all_runs": True,
    }
    assert facts("auth_succeeded")[-1]["session_id"] == "token-1"


def test_it_is_held_to_its_capabilities_in_either_profile(client, issuer, settings):
    headers = issuer.headers(caps=["runs:read"])

    default = client.post("/v1/runs", headers=headers)
    settings.STARPORT_PROFILE, settings.STARPORT_AUTH_PROVIDER = "cleared", "bearer_jwt"
    cleared = client.post("/v1/runs", headers=headers)

    text = "capability 'runs:start' not granted under {} profile"
    assert (default.status_code, cleared.status_code) == (403, 403)
    assert default.json() == {"detail": text.format("oss-default")}
    assert cleared.json() == {"detail": text.format("cleared")}


@pytest.mark.parametrize("caps", ["runs:read", {"runs:read": True}, ["runs:read", 1], 7])
def test_capabilities_that_are_no_array_of_names_grant_nothing(client, issuer, caps):
    answer = client.get("/v1/runs", headers=issuer.headers(caps=caps))

    assert answer.status_code == 403
    assert facts("auth_succeeded")[-1]["reason"] == "caps_not_an_array"


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [
        ({"exp": LONG_AGO}, "expired_token"),
        ({"aud": "another-server"}, "invalid_audience"),
        ({"iss": "https://another.example"}, "invalid_audience"),
        ({"nbf": 9_000_000_000}, "invalid_token"),
        ({"kid": "unheard-of"}, "invalid_token"),
        *(({claim: None}, "invalid_token") for claim in ("exp", "iat", "iss", "aud", "sub")),
        ({"sub": "daemon"}, "invalid_token"),
        ({"sub": "anonymous"}, "invalid_token"),
        ({"sub": "heartbeat"}, "invalid_token"),
        ({"sub": "instances.monitor"}, "invalid_token"),
        ({"sub": "webhooks.courier"}, "invalid_token"),
        ({"sub": "manage.py:root"}, "invalid_token"),
        ({"sub": ""}, "invalid_token"),
        ({"sub": "x" * 201}, "invalid_token"),
        ({"sub": "a\x00b"}, "invalid_token"),
        ({"exp": "soon"}, "invalid_token"),
    ],
    ids=str,
)
def test_a_token_that_does_not_count_is_refused_with_its_code(client, issuer, spoiled, code):
    answer = client.get("/v1/runs", headers=issuer.headers(**spoiled))

    assert answer.status_code == 401
    assert answer.json() == {"detail": code}
    assert answer.headers["WWW-Authenticate"] == ('Bearer realm="stargraph", error="invalid_token"')


def test_thirty_seconds_of_a_wrong_clock_are_forgiven(client, issuer):
    now = int(time.time())

    just = client.get("/v1/runs", headers=issuer.headers(exp=now - 10, caps=["runs:read"]))
    late = client.get("/v1/runs", headers=issuer.headers(exp=now - 60, caps=["runs:read"]))

    assert (just.status_code, late.status_code) == (200, 401)


def forged(issuer: Issuer, kind: str) -> str:
    claims = issuer.claims(caps=["runs:start"])
    if kind == "none":
        return jwt.encode(claims, "", algorithm="none", headers={"kid": "ed"})
    if kind == "HS256":
        return jwt.encode(claims, SHARED_SECRET, algorithm="HS256", headers={"kid": "ed"})
    if kind == "RS512":
        return jwt.encode(claims, issuer.keys["rsa"], algorithm="RS512", headers={"kid": "rsa"})
    if kind == "no kid":
        return jwt.encode(claims, issuer.keys["ed"], algorithm="EdDSA")
    stranger = Ed25519PrivateKey.generate()
    return jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": "ed"})


@pytest.mark.parametrize("kind", ["none", "HS256", "RS512", "no kid", "another key"])
def test_a_signature_that_does_not_count_is_refused(client, issuer, kind):
    headers = {"Authorization": f"Bearer {forged(issuer, kind)}"}

    answer = client.get("/v1/runs", headers=headers)

    assert answer.status_code == 401
    assert answer.json() == {"detail": "invalid_token"}


@pytest.mark.parametrize(
    "token",
    ["abc", "a.b", "a.b.c", "a.b.c.d", "..", "eyJhbGciOiJFZERTQSJ9..", "ключ.x.y", "W10.x.y"],
)
@pytest.mark.parametrize("provider", ["several", "tokens alone"])
def test_what_is_no_token_at_all_is_refused(client, issuer, settings, token, provider):
    if provider == "tokens alone":
        settings.STARPORT_PROFILE, settings.STARPORT_AUTH_PROVIDER = "cleared", "bearer_jwt"

    answer = client.get("/v1/runs", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert answer.json() == {"detail": "invalid_token"}


@pytest.mark.parametrize("value", [None, "Basic YTpi", "Bearer", "Bearer  "])
def test_without_a_token_one_is_asked_for(client, only_tokens, value):
    answer = client.get("/v1/runs", headers={"Authorization": value} if value else {})

    assert answer.status_code == 401
    assert answer.json() == {"detail": "missing_bearer"}
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="stargraph"'


def test_the_scheme_is_read_in_any_case_and_the_token_trimmed(client, only_tokens):
    token = only_tokens.sign(caps=["runs:read"])

    answer = client.get("/v1/runs", headers={"Authorization": f"bEARER  {token} "})

    assert answer.status_code == 200


def test_keys_and_the_daemon_token_are_bearer_tokens_beside_it(client, issuer, owner, settings):
    settings.STARLINGD_TOKEN = issuer.sign()  # even one that looks like a token

    key = client.get("/v1/runs", headers={"Authorization": f"Bearer {owner.secret}"})
    daemon = client.get("/v1/runs", headers={"Authorization": f"Bearer {settings.STARLINGD_TOKEN}"})

    assert key.json()["actor"] == owner.user.pk
    assert daemon.json()["actor"] == "daemon"


def test_a_wrong_key_is_still_called_one(client, issuer, owner):
    headers = {"Authorization": "Bearer sp_live_" + "0" * 40}

    assert client.get("/v1/runs", headers=headers).json() == {"detail": "invalid_api_key"}


def test_an_issuer_ends_open_mode(client, issuer):
    answer = client.get("/v1/runs", REMOTE_ADDR="127.0.0.1")

    assert answer.status_code == 401
    assert answer.json() == {"detail": "missing_bearer"}


def test_streams_and_sockets_ask_the_same(issuer):
    header = f"Bearer {issuer.sign()}"

    assert authenticate_scope(http_scope(authorization=header)).actor == "alice"
    assert authenticate_scope(socket_scope(authorization=header)).actor == "alice"
    with pytest.raises(InvalidToken):
        authenticate_scope(socket_scope(authorization=header[:-4]))


def test_a_long_stream_ends_with_its_token(issuer):
    lasting = authenticate_scope(http_scope(authorization=f"Bearer {issuer.sign()}"))
    # Leeway admits it; by the time a stream asks it is over.
    ending = issuer.sign(exp=int(time.time()) - 28)
    brief = authenticate_scope(http_scope(authorization=f"Bearer {ending}"))

    assert is_still_valid(lasting)
    while is_still_valid(brief):
        time.sleep(0.05)


def test_an_issuer_that_does_not_answer_lets_nobody_in(client, issuer):
    issuer.is_down = True

    answer = client.get("/v1/runs", headers=issuer.headers())

    assert answer.json() == {"detail": "invalid_token"}
    assert facts("auth_failed")[-1]["reason"] == "keys_unavailable"


def test_made_up_key_ids_do_not_make_us_ask_the_issuer_each_time(client, issuer):
    for number in range(5):
        client.get("/v1/runs", headers=issuer.headers(kid=f"made-up-{number}"))

    assert issuer.fetches == 1


def test_a_new_key_of_the_issuer_is_found(issuer):
    keys = KeySet(issuer.url, refetch_seconds=0)
    assert keys.find("next") is None

    issuer.keys["next"] = Ed25519PrivateKey.generate()

    assert keys.find("next") is not None


def test_known_keys_are_not_asked_for_again_until_they_are_old(issuer):
    keys, forgetful = KeySet(issuer.url), KeySet(issuer.url, keep_seconds=0, refetch_seconds=0)
    keys.find("ed"), keys.find("rsa")
    assert issuer.fetches == 1

    with pytest.raises(KeysUnavailable):  # old at once
        forgetful.find("ed")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"keys": 3}', b'{"keys": [{"kty": "odd"}]}'])
def test_nonsense_from_the_issuer_is_no_key(issuer, body):
    issuer.public_keys = lambda: body

    with pytest.raises(KeysUnavailable):
        KeySet(issuer.url).find("ed")
