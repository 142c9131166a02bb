"""Issuing and revoking keys."""

from datetime import timedelta
from decimal import Decimal

import pytest
from blake3 import blake3
from django.utils import timezone

from accounts.errors import AmbiguousPrefix, ApiKeyNotFound, InvalidValue, UserNotFound
from accounts.models import ApiKey
from accounts.services.api_keys import find_key, import_key, issue_key, keys_of, revoke_key
from tests.accounts.cast import facts, make_member

pytestmark = pytest.mark.django_db


def test_the_secret_exists_in_the_answer_alone(owner):
    issued = issue_key(user_id=owner.user.pk, actor="test", label="laptop")

    stored = ApiKey.objects.values().get(pk=issued.key.pk)
    assert issued.secret[16:] not in str(stored)
    assert issued.secret[16:] not in str(facts("api_key_issued"))


def test_the_prefix_of_an_odd_key_is_taken_from_its_hash(owner):
    key = import_key(user_id=owner.user.pk, actor="test", secret="my-own-secret-key", label="")

    assert key.prefix == blake3(b"my-own-secret-key").hexdigest()[:8]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"limited_to": ["runs:read", "runs:fly"]}, "capabilities"),
        ({"label": "x" * 101}, "label"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"spending_limit_usd": Decimal("-1")}, "spending_limit_usd"),
    ],
)
def test_it_names_the_field_that_is_wrong(owner, values, field):
    with pytest.raises(InvalidValue) as refusal:
        issue_key(user_id=owner.user.pk, actor="test", **values)

    assert refusal.value.field == field


def test_a_key_needs_a_user():
    with pytest.raises(UserNotFound):
        issue_key(user_id="nobody", actor="test")


def test_revoking_twice_keeps_the_first_time_and_is_recorded_once(owner):
    first = revoke_key(key_id=owner.key.pk, actor="test").revoked_at

    second = revoke_key(key_id=owner.key.pk, actor="test").revoked_at

    assert first is not None and first == second
    assert len(facts("api_key_revoked")) == 1


def test_an_unknown_key_cannot_be_revoked():
    with pytest.raises(ApiKeyNotFound):
        revoke_key(key_id="nothing", actor="test")


def test_a_users_keys_are_listed_newest_first_revoked_ones_too(owner, teammate):
    revoke_key(key_id=owner.key.pk, actor="test")
    newer = issue_key(user_id=owner.user.pk, actor="test")

    assert [key.pk for key in keys_of(owner.user.pk)] == [newer.key.pk, owner.key.pk]


def test_the_keys_of_nobody_are_not_found():
    with pytest.raises(UserNotFound):
        keys_of("nobody")


def test_a_prefix_means_the_key_that_is_live(owner):
    revoke_key(key_id=owner.key.pk, actor="test")
    live = issue_key(user_id=owner.user.pk, actor="test").key
    ApiKey.objects.filter(pk=live.pk).update(prefix=owner.key.prefix)

    assert find_key(owner.key.prefix).pk == live.pk
    assert find_key(owner.key.pk).pk == owner.key.pk


def test_a_prefix_of_two_live_keys_means_neither(owner):
    other = make_member()
    ApiKey.objects.filter(pk=other.key.pk).update(prefix=owner.key.prefix)

    with pytest.raises(AmbiguousPrefix):
        find_key(owner.key.prefix)
