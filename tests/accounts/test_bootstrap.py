"""The first admin."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.errors import InvalidValue, UsersExist
from accounts.models import ApiKey, User
from accounts.services.bootstrap import Bootstrap, bootstrap_admin, create_first_user
from tests.accounts.cast import facts

pytestmark = pytest.mark.django_db


def test_a_first_start_makes_an_admin_whose_key_works(client):
    bootstrap = bootstrap_admin()

    admin = User.objects.get()
    assert (admin.display_name, admin.role) == ("Admin", "admin")
    assert admin.is_active and admin.filesystem_enabled and not admin.has_usable_password()
    assert ApiKey.objects.get().label == "Auto-generated admin key"
    answer = client.get("/v1/runs", headers={"X-API-Key": bootstrap.secret})
    assert answer.json()["actor"] == admin.pk


def test_the_key_has_the_known_shape_and_an_argon2id_hash():
    secret = bootstrap_admin().secret

    key = ApiKey.objects.get()
    assert secret is not None
    assert re.fullmatch(r"sp_live_[0-9a-f]{40}", secret)
    assert key.prefix == secret[8:16]
    salt, digest = r"[A-Za-z0-9+/]{22}", r"[A-Za-z0-9+/]{43}"  # 16 and 32 bytes
    assert re.fullmatch(rf"\$argon2id\$v=19\$m=19456,t=2,p=1\${salt}\${digest}", key.key_hash)
    assert secret[16:] not in key.key_hash


def test_a_later_start_does_nothing_whatever_the_variable_says():
    bootstrap_admin()

    assert bootstrap_admin() == Bootstrap(created=False)
    assert bootstrap_admin(imported_key="short") == Bootstrap(created=False)
    assert User.objects.count() == ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "imported", ["sp_live_" + "ab" * 20, "my own well kept secret".replace(" ", "-")]
)
def test_an_imported_key_works_and_is_not_printed(client, imported):
    bootstrap = bootstrap_admin(imported_key=imported)

    assert bootstrap == Bootstrap(created=True, secret=None)
    assert ApiKey.objects.get().label == "Imported from STARPOD_API_KEY"
    assert client.get("/v1/runs", headers={"X-API-Key": imported}).status_code == 200


@pytest.mark.parametrize(
    "imported", ["x", "fifteen-letters", "with spaces in between", "naïve-" * 5]
)
def test_an_imported_key_that_could_be_guessed_or_not_be_sent_stops_the_start(imported):
    with pytest.raises(InvalidValue):
        bootstrap_admin(imported_key=imported)

    assert not User.objects.exists()


def test_an_empty_variable_is_none_and_an_empty_header_no_key(client):
    bootstrap = bootstrap_admin(imported_key="")

    assert bootstrap.secret is not None
    assert client.get("/v1/runs", headers={"X-API-Key": ""}).status_code == 401
    assert client.get("/v1/runs", headers={"X-API-Key": " "}).status_code == 401


def test_it_is_recorded_without_the_key(caplog):
    with caplog.at_level(logging.DEBUG):
        secret = bootstrap_admin().secret

    assert facts("bootstrap")[0]["detail"] == "Admin user created"
    everything = caplog.text + str(facts("bootstrap")) + str(facts("api_key_issued"))
    assert secret not in everything


@pytest.mark.django_db(transaction=True)
def test_starts_at_the_same_moment_make_one_admin():
    def start(_: int) -> Bootstrap:
        try:
            return bootstrap_admin()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(start, range(4)))

    assert [outcome.created for outcome in outcomes].count(True) == 1
    assert User.objects.count() == 1


def test_the_first_caller_of_an_open_server_becomes_admin_and_gets_a_key(client):
    user, issued = create_first_user(actor="anonymous", display_name="Ada")

    assert user.role == "admin"
    assert client.get("/v1/runs", headers={"X-API-Key": issued.secret}).status_code == 200


def test_there_is_only_one_first_user(owner):
    with pytest.raises(UsersExist):
        create_first_user(actor="anonymous")
