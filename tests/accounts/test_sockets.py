"""Streams and sockets are authenticated from their ASGI scope."""

import pytest
from django.conf import settings as django_settings
from django.test import Client

from accounts.authentication import authenticate_scope, is_still_valid
from accounts.errors import CrossSiteRequest, InvalidCredential, MissingCredential
from accounts.services.api_keys import revoke_key
from accounts.services.users import deactivate_user
from tests.accounts.scopes import http_scope, socket_scope

pytestmark = pytest.mark.django_db


def session_cookie(user) -> str:
    client = Client()
    client.force_login(user)
    name = django_settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


def test_a_socket_takes_the_key_from_its_address(owner):
    principal = authenticate_scope(socket_scope(query=f"token={owner.secret}"))

    assert principal.actor == owner.user.pk


def test_a_stream_takes_the_key_from_its_headers(owner):
    principal = authenticate_scope(http_scope(x_api_key=owner.secret))

    assert principal.api_key_id == owner.key.pk


def test_the_address_can_be_ruled_out(owner):
    with pytest.raises(MissingCredential):
        authenticate_scope(http_scope(query=f"token={owner.secret}"), allow_query_token=False)


def test_it_refuses_a_wrong_key(owner):
    with pytest.raises(InvalidCredential):
        authenticate_scope(socket_scope(query="token=wrong"))


def test_a_socket_of_our_own_page_uses_the_login_session(owner):
    cookie = session_cookie(owner.user)

    principal = authenticate_scope(socket_scope(cookie=cookie, origin="http://localhost:8080"))

    assert principal.user_id == owner.user.pk
    assert principal.provider == "session"


def test_a_socket_of_another_site_may_not_use_the_login_session(owner):
    cookie = session_cookie(owner.user)

    with pytest.raises(CrossSiteRequest):
        authenticate_scope(socket_scope(cookie=cookie, origin="https://evil.example"))


def test_a_long_stream_learns_that_its_key_was_revoked(owner):
    principal = authenticate_scope(http_scope(x_api_key=owner.secret))
    assert is_still_valid(principal)

    revoke_key(key_id=owner.key.pk, actor="test")

    assert not is_still_valid(principal)


def test_a_long_stream_learns_that_its_user_was_deactivated(owner):
    principal = authenticate_scope(http_scope(cookie=session_cookie(owner.user)))
    assert is_still_valid(principal)

    deactivate_user(user_id=owner.user.pk, actor="test")

    assert not is_still_valid(principal)


def test_a_long_stream_of_open_mode_ends_with_the_first_user(db, request):
    principal = authenticate_scope(http_scope())
    assert is_still_valid(principal)

    request.getfixturevalue("owner")

    assert not is_still_valid(principal)
