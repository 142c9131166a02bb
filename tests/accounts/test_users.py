"""Creating and changing users."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.errors import EmailTaken, InvalidValue, LastAdmin, UserNotFound
from accounts.models import User
from accounts.services.users import (
    UserChanges,
    activate_user,
    create_user,
    deactivate_user,
    set_password,
    update_user,
)
from tests.accounts.cast import PASSWORD, facts, make_member

pytestmark = pytest.mark.django_db


def test_it_trims_and_takes_an_empty_address_as_none():
    user = create_user(actor="test", email="  ", display_name="  Ada ")
    other = create_user(actor="test", email=" ada@example.com ")

    assert (user.email, user.display_name, user.role) == (None, "Ada", "user")
    assert other.email == "ada@example.com"


@pytest.mark.parametrize("email", ["owner@example.com", "OWNER@Example.com"])
def test_it_refuses_an_address_somebody_has(owner, email):
    with pytest.raises(EmailTaken):
        create_user(actor="test", email=email)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "no-at-sign"}, "email"),
        ({"email": "a@" + "b" * 250 + ".com"}, "email"),
        ({"display_name": "x" * 101}, "display_name"),
        ({"role": "root"}, "role"),
    ],
)
def test_it_names_the_field_that_is_wrong(values, field):
    with pytest.raises(InvalidValue) as refusal:
        create_user(actor="test", **values)

    assert refusal.value.field == field
    assert not User.objects.exists()


def test_it_changes_what_is_named_and_nothing_else(owner):
    user = update_user(
        user_id=owner.user.pk, actor="test", changes=UserChanges(display_name="Owner")
    )

    user.refresh_from_db()
    assert (user.display_name, user.email, user.role) == ("Owner", "owner@example.com", "user")
    assert facts("user_updated")[-1]["fields"] == ["display_name"]


def test_an_empty_address_takes_it_away(owner):
    update_user(user_id=owner.user.pk, actor="test", changes=UserChanges(email=""))

    assert User.objects.get(pk=owner.user.pk).email is None


def test_a_change_to_an_address_somebody_has_changes_nothing(owner, teammate):
    with pytest.raises(EmailTaken):
        update_user(
            user_id=owner.user.pk,
            actor="test",
            changes=UserChanges(email="Teammate@example.com", role="viewer"),
        )

    assert User.objects.get(pk=owner.user.pk).role == "user"


def test_an_unknown_user_is_not_found():
    with pytest.raises(UserNotFound):
        deactivate_user(user_id="nobody", actor="test")


@pytest.mark.parametrize("changes", [UserChanges(role="viewer"), UserChanges(is_active=False)])
def test_the_last_active_admin_stays(admin, changes):
    inactive = make_member(role="admin")
    deactivate_user(user_id=inactive.user.pk, actor="test")

    with pytest.raises(LastAdmin):
        update_user(user_id=admin.user.pk, actor="test", changes=changes)

    assert User.objects.active_admins().get() == admin.user


def test_an_admin_who_is_not_the_last_may_go_and_come_back(admin):
    other = make_member(role="admin")

    deactivate_user(user_id=other.user.pk, actor="test")
    activate_user(user_id=other.user.pk, actor="test")

    assert User.objects.active_admins().count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_demote_each_other_leave_one():
    ada, bob = make_member(role="admin").user, make_member(role="admin").user

    def demote(user: User) -> bool:
        try:
            update_user(user_id=user.pk, actor="test", changes=UserChanges(role="viewer"))
        except LastAdmin:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(demote, [ada, bob]))

    assert sorted(outcomes) == [False, True]
    assert User.objects.active_admins().count() == 1


def test_every_change_is_recorded_with_who_made_it(admin, owner):
    set_password(user_id=owner.user.pk, actor=admin.user.pk, password=PASSWORD)
    deactivate_user(user_id=owner.user.pk, actor=admin.user.pk)

    for kind in ("password_set", "user_updated"):
        assert facts(kind)[-1]["actor"] == admin.user.pk
        assert facts(kind)[-1]["user_id"] == owner.user.pk
    assert PASSWORD not in str(facts("password_set"))


def test_a_change_that_is_undone_leaves_no_record(admin):
    before = len(facts("user_updated"))

    with pytest.raises(LastAdmin):
        deactivate_user(user_id=admin.user.pk, actor="test")

    assert len(facts("user_updated")) == before
