"""`manage.py apikey`."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ApiKey, User
from accounts.services.api_keys import revoke_key
from tests.accounts.cast import expire

pytestmark = pytest.mark.django_db


def run(capsys, *arguments: str) -> tuple[str, str]:
    call_command("apikey", *arguments)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_create_prints_the_key_alone_on_stdout_and_it_works(capsys, client):
    out, err = run(capsys, "create", "--role", "viewer", "--label", "dashboard")

    secret = out.strip()
    assert client.get("/v1/runs", headers={"X-API-Key": secret}).status_code == 200
    assert secret not in err
    assert User.objects.get().display_name == "dashboard"


def test_create_for_an_existing_user_by_address_or_id(capsys, owner):
    run(capsys, "create", "--user", "OWNER@example.com")
    run(capsys, "create", "--user", owner.user.pk)

    assert owner.user.api_keys.count() == 3


def test_create_limits_and_dates_the_key(capsys):
    run(capsys, "create", "--role", "operator", "--capability", "runs:start", "--expires", "30d")

    key = ApiKey.objects.get()
    assert key.capabilities == ["runs:start"]
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--user", "nobody@example.com"),
        ("create", "--role", "viewer", "--capability", "runs:fly"),
        ("create", "--role", "viewer", "--label", "x" * 101),
        ("create", "--role", "king"),
        ("create", "--role", "viewer", "--expires", "soon"),
        ("create",),
        ("revoke", "00000000"),
        (),
    ],
)
def test_a_mistake_is_one_line_and_creates_nothing(arguments):
    with pytest.raises(CommandError) as complaint:
        call_command("apikey", *arguments)

    assert "\n" not in str(complaint.value)
    assert not User.objects.exists() and not ApiKey.objects.exists()


def test_list_prints_one_line_a_key_and_no_secret(capsys, owner, teammate):
    revoke_key(key_id=owner.key.pk, actor="test")
    expire(teammate.key, timezone.now() - timedelta(days=1))

    out, _ = run(capsys, "list")

    lines = {line.split("\t")[0]: line.split("\t")[1] for line in out.splitlines()}
    assert lines == {owner.key.prefix: "revoked", teammate.key.prefix: "expired"}
    assert owner.secret not in out


def test_revoke_by_prefix_ends_the_key(capsys, client, owner):
    _, err = run(capsys, "revoke", owner.key.prefix)

    assert client.get("/v1/runs", headers=owner.headers).status_code == 401
    assert "is revoked" in err


def test_revoking_again_says_so_and_is_no_error(capsys, owner):
    run(capsys, "revoke", owner.key.pk)

    _, err = run(capsys, "revoke", owner.key.pk)

    assert "revoked already" in err
