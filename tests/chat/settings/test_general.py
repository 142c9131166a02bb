"""GET and PUT /api/settings/general."""

from typing import Any

import pytest

from accounts.models import AuditRecord
from chat.models import SettingChange
from tests.chat.settings.callers import Caller

PATH = "/api/settings/general"
WHOLE: dict[str, Any] = {
    "models": ["scripted/scripted", "openai/gpt-6-sol"],
    "max_turns": 12,
    "max_tokens": 2048,
    "agent_name": "Vega",
    "timezone": "Europe/Berlin",
    "reasoning_effort": "high",
    "compaction_model": "openai/gpt-6-luna",
    "followup_mode": "queue",
    "server_addr": "0.0.0.0:9000",
    "self_improve": True,
}
REQUIRED: dict[str, Any] = {
    name: WHOLE[name] for name in ("models", "max_turns", "max_tokens", "agent_name", "server_addr")
}


def test_everything_is_there_before_anybody_has_set_anything(admin: Caller, settings):
    settings.MODEL_NAMES = ["scripted:scripted"]

    assert admin.get(PATH) == {
        "models": ["scripted/scripted"],
        "provider": "scripted",
        "model": "scripted",
        "max_turns": 30,
        "max_tokens": 16384,
        "agent_name": "Nova",
        "timezone": None,
        "reasoning_effort": None,
        "compaction_model": None,
        "compaction_provider": None,
        "followup_mode": "inject",
        "server_addr": "127.0.0.1:8080",
        "self_improve": False,
        "proxy_enabled": False,
    }


def test_what_was_put_is_what_is_read(admin: Caller):
    admin.put(PATH, WHOLE)

    assert admin.get(PATH) == {
        **WHOLE,
        "provider": "scripted",
        "model": "scripted",
        "compaction_provider": "openai",
        "proxy_enabled": False,
    }


def test_optional_fields_that_are_left_out_or_null_get_their_defaults(admin: Caller):
    admin.put(PATH, WHOLE)

    admin.put(PATH, {**REQUIRED, "timezone": None, "reasoning_effort": None})

    read = admin.get(PATH)
    assert read["timezone"] is read["reasoning_effort"] is read["compaction_model"] is None
    assert (read["followup_mode"], read["self_improve"]) == ("inject", False)


def test_a_client_that_sends_back_what_it_got_changes_nothing(admin: Caller, settings):
    settings.MODEL_NAMES = ["scripted:scripted"]

    admin.put(PATH, {**admin.get(PATH), "one_it_does_not_know": 1})

    assert not SettingChange.objects.exists()


def test_an_old_client_sets_the_one_model_it_knows(admin: Caller):
    body = {name: value for name, value in WHOLE.items() if name != "models"}
    admin.put(PATH, WHOLE)

    admin.put(PATH, {**body, "provider": "openrouter", "model": "anthropic/claude-opus-5.5"})

    assert admin.get(PATH)["models"] == [
        "openrouter/anthropic/claude-opus-5.5", "openai/gpt-6-sol",
    ]  # fmt: skip


def test_an_old_client_edits_the_one_model_in_what_it_got(admin: Caller):
    admin.put(PATH, WHOLE)

    admin.put(PATH, {**admin.get(PATH), "provider": "openai", "model": "gpt-6-sol"})

    assert admin.get(PATH)["models"] == ["openai/gpt-6-sol"]


def test_the_list_wins_when_it_is_another_one(admin: Caller):
    admin.put(PATH, WHOLE)

    admin.put(PATH, {**admin.get(PATH), "models": ["local/smollm2-135m"]})

    assert admin.get(PATH)["models"] == ["local/smollm2-135m"]


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-6-sol", "openai/gpt-6-sol"),
        ("openai", "openai/gpt-6-sol", "openai/gpt-6-sol"),
        ("anthropic", "openai/gpt-6-luna", "anthropic/gpt-6-luna"),  # only the provider was edited
        ("openrouter", "openai/gpt-6-sol", "openrouter/openai/gpt-6-sol"),
        (None, "openai/gpt-6-sol", "openai/gpt-6-sol"),
        ("openai", None, None),
    ],
)
def test_a_compaction_model_may_come_in_two_halves(
    admin: Caller, provider: str | None, model: str | None, expected: str | None
):
    admin.put(PATH, WHOLE)

    admin.put(PATH, {**WHOLE, "compaction_model": model, "compaction_provider": provider})

    assert admin.get(PATH)["compaction_model"] == expected


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"models": []}, 400, "models cannot be empty"),
        ({"models": ["gpt"]}, 400, "invalid model spec: 'gpt' — expected 'provider/model'"),
        ({"models": ["/"]}, 400, "invalid model spec: '/' — expected 'provider/model'"),
        ({"models": ["a/b", "a/b"]}, 400, "models must not name a model twice"),
        ({"models": "a/b"}, 422, "models"),
        ({"models": None}, 422, "models: field required"),
        ({"models": None, "provider": "", "model": "x"}, 400, "provider cannot be empty"),
        ({"models": None, "provider": "x", "model": ""}, 400, "model cannot be empty"),
        ({"models": None, "provider": "x"}, 422, "model: field required"),
        ({"max_turns": 0}, 400, "max_turns must be > 0"),
        ({"max_turns": 1001}, 400, "max_turns must be at most 1000"),
        ({"max_turns": "12"}, 422, "max_turns"),
        ({"max_turns": 1.5}, 422, "max_turns"),
        ({"max_turns": None}, 422, "max_turns"),
        ({"max_tokens": 0}, 400, "max_tokens must be > 0"),
        ({"max_tokens": 2**32}, 400, "max_tokens must be at most 4294967295"),
        ({"max_tokens": 10**30}, 400, "max_tokens: integers must fit into 64 bits"),
        ({"agent_name": " "}, 400, "agent_name cannot be empty"),
        ({"agent_name": "x" * 65}, 400, "agent_name must have at most 64 characters"),
        ({"timezone": "Europe/Atlantis"}, 400, "timezone: 'Europe/Atlantis' is no IANA time zone"),
        ({"reasoning_effort": "max"}, 400, "reasoning_effort must be 'low', 'medium' or 'high'"),
        ({"followup_mode": "shout"}, 400, "followup_mode must be 'inject' or 'queue'"),
        ({"compaction_model": "gpt"}, 400, "compaction_model: invalid model spec"),
        ({"server_addr": "nowhere"}, 400, "server_addr"),
        ({"server_addr": "127.0.0.1:99999"}, 400, "server_addr"),
        ({"server_addr": "::1:80"}, 400, "server_addr"),
        ({"self_improve": 1}, 422, "self_improve"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    admin: Caller, change: dict[str, Any], status: int, said: str
):
    answer = admin.try_put(PATH, {**WHOLE, **change})

    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert not SettingChange.objects.exists()
    assert admin.get(PATH)["agent_name"] == "Nova"


@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_required_fields_are_required(admin: Caller, missing: str):
    body = {name: value for name, value in WHOLE.items() if name != missing}

    answer = admin.try_put(PATH, body)

    assert answer.status_code == 422
    assert answer.json()["error"] == f"{missing}: field required"


def test_each_change_is_in_the_history_and_the_audit_trail(admin: Caller):
    admin.put(PATH, WHOLE)
    admin.put(PATH, {**WHOLE, "max_turns": 30})

    newest = SettingChange.objects.filter(field="max_turns").values_list("before", "after")
    assert list(newest) == [(12, None), (None, 12)]
    facts = [r.event["fact"] for r in AuditRecord.objects.filter(fact_kind="settings_changed")]
    assert facts[-1]["group"] == "general"
    assert facts[-1]["changed"] == ["max_turns"]


def test_an_address_that_acts_after_a_restart_is_warned_of(admin: Caller, caplog):
    admin.put(PATH, {**WHOLE, "server_addr": admin.get(PATH)["server_addr"]})
    before = caplog.text
    admin.put(PATH, WHOLE)

    assert "started again" not in before
    assert "a setting acts when the server is started again" in caplog.text


def test_messages_may_ask_for_a_model_by_the_name_that_was_put(admin: Caller):
    admin.put(PATH, {**WHOLE, "models": ["gemini/gemini-3.8-flash", "scripted/scripted"]})

    answer = admin.client.post(
        "/api/chat", {"text": "hi", "model": "nobody/none"}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert admin.get("/api/config")["models"] == ["gemini/gemini-3.8-flash", "scripted/scripted"]
