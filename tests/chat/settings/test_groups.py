"""The other groups of /api/settings, and who may change them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from chat.models import SettingChange
from tests.chat.settings.callers import Caller
from tests.chat.settings.conftest import AsRole
from tests.factories import make_key

MEMORY = {
    "half_life_days": 30.0,
    "mmr_lambda": 0.7,
    "vector_search": True,
    "chunk_size": 1600,
    "chunk_overlap": 320,
    "export_sessions": True,
    "nudge_interval": 10,
    "nudge_model": None,
    "self_improve": False,
}
CRON = {
    "default_max_retries": 3,
    "default_timeout_secs": 7200,
    "max_concurrent_runs": 1,
    "heartbeat_interval_minutes": 30,
}
FRONTEND: dict[str, Any] = {"greeting": None, "prompts": []}
ATTACHMENTS: dict[str, Any] = {
    "enabled": True,
    "max_file_size": 20_971_520,
    "allowed_extensions": [],
}
INSTANCES = {
    "poll_seconds": 30,
    "heartbeat_timeout": 90,
    "auto_restart": True,
    "restarts_per_hour": 3,
    "keep_samples_hours": 72,
}
HEARTBEAT = {"enabled": False, "interval_minutes": 30, "content": ""}
DEFAULTS: dict[str, dict[str, Any]] = {
    "memory": MEMORY,
    "cron": CRON,
    "frontend": FRONTEND,
    "attachments": ATTACHMENTS,
    "instances": INSTANCES,
    "heartbeat": HEARTBEAT,
}
CHANGED: dict[str, dict[str, Any]] = {
    "memory": {
        "half_life_days": 7,  # an integer is a float
        "mmr_lambda": 0.5,
        "vector_search": False,
        "chunk_size": 800,
        "chunk_overlap": 100,
        "export_sessions": False,
        "nudge_interval": 0,
        "nudge_model": "openai/gpt-6-luna",
        "self_improve": True,
    },
    "cron": {
        "default_max_retries": 0,
        "default_timeout_secs": 60,
        "max_concurrent_runs": 4,
        "heartbeat_interval_minutes": 90,
    },
    "frontend": {"greeting": "Good morning", "prompts": ["What is new?", "Sum up my week"]},
    "attachments": {"enabled": False, "max_file_size": 1024, "allowed_extensions": ["pdf", "md"]},
    "instances": {
        "poll_seconds": 5,
        "heartbeat_timeout": 20,
        "auto_restart": False,
        "restarts_per_hour": 10,
        "keep_samples_hours": 0,
    },
    "heartbeat": {"enabled": True, "interval_minutes": 5, "content": "Look at the inbox."},
}
ROUTES = [*DEFAULTS, "general", "channels", "models", "files/SOUL.md"]


@pytest.mark.parametrize("group", DEFAULTS)
def test_defaults_are_there_before_anybody_has_set_anything(admin: Caller, group: str):
    assert admin.get(f"/api/settings/{group}") == DEFAULTS[group]


@pytest.mark.parametrize("group", CHANGED)
def test_what_was_put_is_what_is_read(admin: Caller, group: str):
    admin.put(f"/api/settings/{group}", CHANGED[group])

    assert admin.get(f"/api/settings/{group}") == CHANGED[group]


@pytest.mark.parametrize(
    ("group", "optional"),
    [
        ("memory", ["nudge_interval", "nudge_model", "self_improve"]),
        ("frontend", ["greeting"]),
        ("attachments", ["allowed_extensions"]),
    ],
)
def test_optional_fields_that_are_left_out_get_their_defaults(
    admin: Caller, group: str, optional: list[str]
):
    path, whole = f"/api/settings/{group}", CHANGED[group]
    admin.put(path, whole)

    admin.put(path, {name: value for name, value in whole.items() if name not in optional})

    assert admin.get(path) == {**whole, **{name: DEFAULTS[group][name] for name in optional}}


@pytest.mark.parametrize(
    ("group", "change", "status", "said"),
    [
        ("memory", {"half_life_days": 0}, 400, "half_life_days must be more than 0"),
        ("memory", {"half_life_days": 3651}, 400, "half_life_days must be at most 3650"),
        ("memory", {"half_life_days": "7"}, 422, "half_life_days"),
        ("memory", {"mmr_lambda": -0.1}, 400, "mmr_lambda"),
        ("memory", {"mmr_lambda": 1.1}, 400, "mmr_lambda"),
        ("memory", {"vector_search": "yes"}, 422, "vector_search"),
        ("memory", {"chunk_size": 0}, 400, "chunk_size must be at least 200"),
        ("memory", {"chunk_size": 20_001}, 400, "chunk_size"),
        ("memory", {"chunk_overlap": 800}, 400, "chunk_overlap must be less than half"),
        ("memory", {"chunk_overlap": -1}, 400, "chunk_overlap"),
        ("memory", {"nudge_model": "gpt"}, 400, "nudge_model: invalid model spec"),
        ("cron", {"default_max_retries": 11}, 400, "default_max_retries"),
        ("cron", {"default_timeout_secs": 0}, 400, "default_timeout_secs must be > 0"),
        ("cron", {"default_timeout_secs": 2**63}, 400, "default_timeout_secs"),
        ("cron", {"max_concurrent_runs": 0}, 400, "max_concurrent_runs must be > 0"),
        ("cron", {"max_concurrent_runs": 33}, 400, "max_concurrent_runs"),
        ("cron", {"heartbeat_interval_minutes": 0}, 400, "heartbeat_interval_minutes"),
        ("cron", {"heartbeat_interval_minutes": 1441}, 400, "heartbeat_interval_minutes"),
        ("cron", {"default_max_retries": None}, 422, "default_max_retries"),
        ("frontend", {"greeting": "x" * 501}, 400, "greeting"),
        ("frontend", {"prompts": ["x" * 501]}, 400, "prompts.0"),
        ("frontend", {"prompts": ["x"] * 21}, 400, "prompts must have at most 20 entries"),
        ("frontend", {"prompts": None}, 422, "prompts"),
        ("frontend", {"prompts": [1]}, 422, "prompts.0"),
        ("attachments", {"max_file_size": 0}, 400, "max_file_size must be > 0"),
        ("attachments", {"allowed_extensions": ["a/b"]}, 400, "allowed_extensions.0"),
        ("instances", {"poll_seconds": 0}, 400, "poll_seconds must be > 0"),
        ("instances", {"heartbeat_timeout": 86_401}, 400, "heartbeat_timeout"),
        ("instances", {"restarts_per_hour": 61}, 400, "restarts_per_hour must be at most 60"),
        ("instances", {"keep_samples_hours": -1}, 400, "keep_samples_hours"),
        ("instances", {"auto_restart": "yes"}, 422, "auto_restart"),
        ("heartbeat", {"interval_minutes": 0}, 400, "interval_minutes must be > 0"),
        ("heartbeat", {"content": " \n"}, 400, "Heartbeat content cannot be empty when enabled"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(
    admin: Caller, group: str, change: dict[str, Any], status: int, said: str
):
    path = f"/api/settings/{group}"

    answer = admin.try_put(path, {**CHANGED[group], **change})

    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert admin.get(path) == DEFAULTS[group]
    assert not SettingChange.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_puts_at_once_one_counts_whole_and_none_is_missing_in_the_history():
    secret = make_key(role="admin").secret

    def put(number: int) -> int:
        body = {**CRON, "default_max_retries": number, "max_concurrent_runs": number}
        client = Client(headers={"X-API-Key": secret})
        try:
            answer = client.put("/api/settings/cron", body, content_type="application/json")
            return answer.status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(put, range(4, 11)))

    assert statuses == [200] * 7
    read = Client(headers={"X-API-Key": secret}).get("/api/settings/cron").json()
    assert read["default_max_retries"] == read["max_concurrent_runs"] != CRON["max_concurrent_runs"]
    changes = SettingChange.objects.filter(field="max_concurrent_runs").order_by("id")
    before, after = zip(*changes.values_list("before", "after"), strict=True)
    assert sorted(after) == list(range(4, 11))
    assert before == (None, *after[:-1])
    assert after[-1] == read["max_concurrent_runs"]


def test_blank_prompts_are_dropped_before_they_are_counted(admin: Caller):
    admin.put("/api/settings/frontend", {"greeting": " ", "prompts": ["", " hello "] + [" "] * 30})

    assert admin.get("/api/settings/frontend") == {"greeting": None, "prompts": ["hello"]}


def test_extensions_may_come_with_their_dot_in_any_case(admin: Caller):
    admin.put(
        "/api/settings/attachments", {**ATTACHMENTS, "allowed_extensions": [".PDF", "pdf", " Md "]}
    )

    assert admin.get("/api/settings/attachments")["allowed_extensions"] == ["pdf", "md"]


@pytest.mark.parametrize("role", ["user", "viewer", "operator", "responder", "analyst", "scraper"])
def test_settings_are_for_administrators(as_role: AsRole, role: str):
    caller = as_role(role).client

    answers = [caller.get(f"/api/settings/{route}") for route in ROUTES]
    answers += [
        caller.put(f"/api/settings/{route}", "{", content_type="application/json")
        for route in ROUTES
        if route != "models"
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["error"] for answer in answers} == {"Admin access required"}


def test_who_is_unknown_is_asked_for_a_key_before_the_body_is_looked_at(as_role: AsRole):
    as_role("admin")

    answer = Client().put("/api/settings/cron", "{", content_type="application/json")

    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "Missing API key — set X-API-Key header"},
    )


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 422),
        ("{}", "text/plain", 415),
    ],
)
def test_what_is_no_json_object_is_refused(
    admin: Caller, content: str, content_type: str, status: int
):
    answer = admin.client.put("/api/settings/cron", content, content_type=content_type)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_other_methods_are_named_and_heads_are_gets(admin: Caller):
    wrong = admin.client.post("/api/settings/cron", "{}", content_type="application/json")
    head = admin.client.head("/api/settings/cron")

    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD, PUT")
    assert (head.status_code, head.headers["Cache-Control"]) == (200, "no-store")


def test_the_environment_says_how_instances_are_watched_where_nobody_else_does(
    admin: Caller, settings: Any
):
    settings.STARPORT_INSTANCE_POLL_SECONDS = 7
    settings.STARPORT_INSTANCE_HEARTBEAT_TIMEOUT = 86_401  # beyond what can be

    assert admin.get("/api/settings/instances") == {**INSTANCES, "poll_seconds": 7}
    admin.put("/api/settings/instances", {"poll_seconds": 30})
    assert admin.get("/api/settings/instances") == INSTANCES
