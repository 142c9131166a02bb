"""GET and PUT /api/settings/channels: the bot's settings, and its token that only goes in."""

from typing import Any

import pytest
from django.conf import settings as django_settings

from accounts.models import AuditRecord
from chat.live_settings.secrets import BOT_TOKEN, secret
from chat.models import Secret, SettingChange
from tests.chat.settings.callers import Caller

PATH = "/api/settings/channels"
TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
MASK = "••••••••Dsaw"


def put(admin: Caller, **telegram: Any) -> Any:
    return admin.try_put(PATH, {"telegram": {"enabled": True, **telegram}})


def test_there_is_no_token_before_one_is_entered(admin: Caller):
    assert admin.get(PATH) == {
        "telegram": {"enabled": False, "gap_minutes": 360, "stream_mode": "final_only"}
    }


def test_a_token_is_used_and_shown_as_a_mask(admin: Caller):
    put(admin, bot_token=TOKEN)

    assert admin.get(PATH)["telegram"]["bot_token"] == MASK
    assert secret(BOT_TOKEN) == TOKEN


def test_a_client_that_sends_the_mask_back_changes_nothing(admin: Caller):
    put(admin, bot_token=TOKEN)
    before = bytes(Secret.objects.get().ciphertext)

    admin.put(PATH, admin.get(PATH))

    assert bytes(Secret.objects.get().ciphertext) == before
    assert SettingChange.objects.filter(group="secrets").count() == 1


@pytest.mark.parametrize("absent", [{}, {"bot_token": None}])
def test_a_token_that_is_left_out_stays(admin: Caller, absent: dict[str, None]):
    put(admin, bot_token=TOKEN)

    put(admin, **absent)

    assert secret(BOT_TOKEN) == TOKEN


def test_an_empty_token_deletes_it(admin: Caller):
    put(admin, bot_token=TOKEN)

    put(admin, bot_token="")

    assert "bot_token" not in admin.get(PATH)["telegram"]
    assert secret(BOT_TOKEN) == ""


def test_the_environments_token_is_masked_and_one_that_is_entered_wins(admin: Caller, settings):
    settings.TELEGRAM_BOT_TOKEN = "987654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALD0env"

    from_environment = admin.get(PATH)["telegram"]["bot_token"]
    put(admin, bot_token=TOKEN)

    assert from_environment == "••••••••0env"
    assert secret(BOT_TOKEN) == TOKEN


@pytest.mark.parametrize("token", ["••••••••0000", "two words", "t\u00f6ken", "x" * 1_001, "  "])
def test_what_can_be_no_token_is_refused_with_all_that_came_with_it(admin: Caller, token: str):
    put(admin, bot_token=TOKEN, gap_minutes=10)

    answer = put(admin, bot_token=token, gap_minutes=20)

    assert answer.status_code == 400
    assert "TELEGRAM_BOT_TOKEN" in answer.json()["error"]
    assert token.strip() not in answer.json()["error"] or not token.strip()
    assert admin.get(PATH)["telegram"]["gap_minutes"] == 10
    assert secret(BOT_TOKEN) == TOKEN


def test_a_mode_that_is_left_out_stays_and_a_gap_that_is_goes_back(admin: Caller):
    put(admin, stream_mode="all_messages", gap_minutes=5)

    put(admin, gap_minutes=None)

    assert admin.get(PATH)["telegram"] == {
        "enabled": True, "gap_minutes": 360, "stream_mode": "all_messages",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"gap_minutes": 0}, 400),
        ({"gap_minutes": -5}, 400),
        ({"gap_minutes": 43_201}, 400),
        ({"gap_minutes": "5"}, 422),
        ({"stream_mode": "loud"}, 400),
        ({"enabled": None}, 422),
    ],
)
def test_what_cannot_be_is_refused_by_name(admin: Caller, change: dict[str, Any], status: int):
    answer = put(admin, **change)

    assert answer.status_code == status
    assert next(iter(change)) in answer.json()["error"]
    assert admin.get(PATH)["telegram"]["enabled"] is False


def test_a_token_is_nowhere_to_be_read(admin: Caller):
    put(admin, bot_token=TOKEN)

    row = Secret.objects.get()
    trail = [str(record.event) for record in AuditRecord.objects.all()]
    history = [str(change.__dict__) for change in SettingChange.objects.all()]
    assert TOKEN.encode() not in bytes(row.ciphertext)
    assert not any(TOKEN in text for text in (*trail, *history))
    assert AuditRecord.objects.filter(fact_kind="secret_set").count() == 1


def test_a_secret_stays_readable_when_the_key_of_the_installation_changes(admin: Caller, settings):
    put(admin, bot_token=TOKEN)

    settings.SECRET_KEY_FALLBACKS = [django_settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, fifty characters long, nobody guesses it"
    admin.put(PATH, admin.get(PATH))  # whatever is remembered is read anew after a change
    put(admin, gap_minutes=7)

    assert secret(BOT_TOKEN) == TOKEN
