"""Settings in the admin: values, where they come from, their history, and secrets."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditRecord
from chat.live_settings import GROUPS
from chat.live_settings.secrets import secret
from chat.models import Secret, SettingChange
from tests.chat.settings.callers import Caller
from tests.factories import make_user

KEY = "sk-entered-in-the-admin-1234"


def page_of(group: str) -> str:
    return f"/admin/settings/{group}/"


def form_of(caller: Caller, group: str) -> dict[str, Any]:
    """What a browser would send back."""
    form = caller.client.get(page_of(group)).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in shown.items() if value is not False}


def save(caller: Caller, group: str, **changes: Any) -> Any:
    return caller.post_form(page_of(group), **{**form_of(caller, group), **changes})


def text_of(caller: Caller, path: str) -> str:
    answer = caller.client.get(path)
    assert answer.status_code == 200
    text = re.sub(
        r"(?s)<script.*?</script>|<style.*?</style>|<[^>]+>", " ", answer.content.decode()
    )
    return " ".join(text.replace("&quot;", '"').split())


def origins(caller: Caller, group: str) -> dict[str, str]:
    rows = caller.client.get(page_of(group)).context["rows"]
    return {row.field.name: row.origin for row in rows}


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_a_page_that_can_be_sent_back_unchanged(back_office: Caller, group: str):
    answer = save(back_office, group)

    assert answer.status_code == 302
    assert not SettingChange.objects.exists()


def test_the_sidebar_leads_to_every_group(back_office: Caller):
    front = back_office.client.get("/admin/accounts/user/").content.decode()
    index = back_office.client.get("/admin/settings/").content.decode()

    assert 'href="/admin/settings/"' in front
    assert all(f'href="{page_of(group)}"' in index for group in GROUPS)


def test_a_value_is_changed_with_its_history_and_its_record(back_office: Caller, admin: Caller):
    save(back_office, "general", agent_name="Vega", models="openai/a\r\n\r\n scripted/scripted ")

    assert admin.get("/api/settings/general")["agent_name"] == "Vega"
    assert admin.get("/api/settings/general")["models"] == ["openai/a", "scripted/scripted"]
    assert 'Ada agent_name – "Vega"' in text_of(back_office, page_of("general"))
    fact = AuditRecord.objects.get(fact_kind="settings_changed").event["fact"]
    assert fact["changed"] == ["agent_name", "models"]


def test_each_value_says_where_it_comes_from(back_office: Caller, settings):
    settings.MODEL_NAMES = ["scripted:scripted"]
    save(back_office, "general", max_turns="5")

    said = origins(back_office, "general")

    assert (said["models"], said["max_turns"], said["agent_name"]) == (
        "environment", "database", "default",
    )  # fmt: skip


def test_a_value_is_reset_to_what_lies_beneath(back_office: Caller, admin: Caller, settings):
    settings.MODEL_NAMES = ["scripted:scripted"]
    save(back_office, "general", models="openai/a", max_turns="5")

    back_office.post_form(f"{page_of('general')}reset/", field="models")

    assert admin.get("/api/settings/general")["models"] == ["scripted/scripted"]
    assert origins(back_office, "general")["max_turns"] == "database"
    assert "general" in text_of(back_office, "/admin/settings/").lower()


def test_a_value_set_to_what_lies_beneath_follows_it_again(back_office: Caller):
    save(back_office, "cron", max_concurrent_runs="4")
    save(back_office, "cron", max_concurrent_runs="1")

    assert origins(back_office, "cron")["max_concurrent_runs"] == "default"


def test_a_reset_that_could_not_stand_is_refused(back_office: Caller, admin: Caller):
    save(back_office, "memory", chunk_size="400", chunk_overlap="100")

    back_office.post_form(f"{page_of('memory')}reset/", field="chunk_overlap")

    assert admin.get("/api/settings/memory")["chunk_overlap"] == 100
    assert "Not reset: chunk_overlap must be less" in text_of(back_office, page_of("memory"))


@pytest.mark.parametrize(
    ("group", "field", "value", "said"),
    [
        ("general", "max_turns", "0", "max_turns must be &gt; 0"),
        ("general", "max_turns", "many", "whole number"),
        ("general", "models", "gpt", "invalid model spec"),
        ("general", "followup_mode", "shout", "valid choice"),
        ("memory", "chunk_overlap", "800", "chunk_overlap must be less than half"),
        ("redaction", "patterns", "(unclosed", "no regular expression"),
        ("redaction", "patterns", "a*", "matches where there is nothing"),
        ("providers", "openai_base_url", "ftp://x", "http://"),
        ("providers", "openai_base_url", "https://me:secret@x", "keys are secrets of their own"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_changes_nothing(
    back_office: Caller, group: str, field: str, value: str, said: str
):
    answer = save(back_office, group, **{field: value})

    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not SettingChange.objects.exists()


def test_who_saw_an_older_state_overwrites_nothing(back_office: Caller, admin: Caller):
    seen = form_of(back_office, "frontend")
    admin.put("/api/settings/frontend", {"greeting": "Newer", "prompts": []})

    back_office.post_form(page_of("frontend"), **{**seen, "greeting": "Older"})

    assert admin.get("/api/settings/frontend")["greeting"] == "Newer"
    assert "Somebody changed these settings meanwhile" in text_of(back_office, page_of("frontend"))


def test_what_no_route_shows_is_not_touched_by_a_put(back_office: Caller, admin: Caller):
    save(back_office, "memory", bootstrap_file_cap="100")

    admin.put("/api/settings/memory", admin.get("/api/settings/memory"))

    assert form_of(back_office, "memory")["bootstrap_file_cap"] == 100


def test_a_secret_is_entered_replaced_and_removed_and_never_shown(back_office: Caller):
    path = "/admin/settings/secrets/"

    back_office.post_form(path, name="OPENAI_API_KEY", value=KEY)
    page = back_office.client.get(path).content.decode()
    in_use = secret("OPENAI_API_KEY")
    back_office.post_form(f"{path}remove/", name="OPENAI_API_KEY")

    assert in_use == KEY
    assert KEY not in page
    assert "••••••••1234" in page
    assert secret("OPENAI_API_KEY") == ""
    assert not Secret.objects.exists()
    assert 'Ada OPENAI_API_KEY "set" –' in text_of(back_office, path)
    kinds = AuditRecord.objects.filter(fact_kind__startswith="secret_").values_list("fact_kind")
    assert sorted(kinds) == [("secret_removed",), ("secret_set",)]


@pytest.mark.parametrize("value", ["", "two words", "••••••••1234"])
def test_what_can_be_no_secret_is_refused(back_office: Caller, value: str):
    answer = back_office.post_form("/admin/settings/secrets/", name="OPENAI_API_KEY", value=value)

    assert answer.status_code == 400
    assert not Secret.objects.exists()


def test_only_secrets_that_are_used_can_be_entered(back_office: Caller):
    answer = back_office.post_form("/admin/settings/secrets/", name="SECRET_KEY", value=KEY)

    assert answer.status_code == 404


def test_a_secret_that_cannot_be_read_any_more_says_so(back_office: Caller, settings):
    back_office.post_form("/admin/settings/secrets/", name="OPENAI_API_KEY", value=KEY)
    user = make_user(role="admin")

    settings.SECRET_KEY = "another key, fifty characters long, nobody guesses it"
    client = Client()
    client.force_login(user)
    page = client.get("/admin/settings/secrets/").content.decode()

    assert "It cannot be read" in page


@pytest.mark.parametrize("path", ["", "general/", "secrets/"])
def test_who_is_no_administrator_does_not_get_in(path: str):
    client = Client()
    client.force_login(make_user(role="operator"))

    assert client.get(f"/admin/settings/{path}").status_code == 302


@pytest.mark.parametrize("path", ["nothing/", "nothing/reset/"])
def test_other_groups_do_not_exist(back_office: Caller, path: str):
    assert back_office.post_form(f"/admin/settings/{path}", field="x").status_code == 404
