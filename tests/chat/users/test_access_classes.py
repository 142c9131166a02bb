"""Every route of the gateway: who gets in, and what all their answers have in common."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.api_keys import revoke_key
from accounts.services.users import deactivate_user
from tests.accounts.cast import expire, make_member
from tests.chat.callers import Caller

pytestmark = pytest.mark.django_db

MISSING = {"error": "Missing API key — set X-API-Key header"}
SETTINGS = "/api/settings"
USER = f"{SETTINGS}/auth/users/nobody"

PUBLIC = ("/api/health", "/api/auth/verify", "/api/config", "/docs", "/docs/")
#: Bodies are missing or blank: who is let in is told so, and no run is started.
AUTHENTICATED = (
    ("POST", "/api/chat"),
    ("GET", "/api/frame-check"),
    ("GET", "/api/sessions"),
    ("GET", "/api/sessions/nothing"),
    ("GET", "/api/sessions/nothing/messages"),
    ("POST", "/api/sessions/nothing/read"),
    ("POST", "/api/sessions/nothing/archive"),
    ("GET", "/api/memory/search"),
    ("GET", "/api/cron/jobs"),
    ("POST", "/api/cron/jobs"),
    ("PUT", "/api/cron/jobs/nothing"),
    ("DELETE", "/api/cron/jobs/nothing"),
)
ADMINS_READ = (
    f"{SETTINGS}/general",
    f"{SETTINGS}/models",
    f"{SETTINGS}/memory",
    f"{SETTINGS}/cron",
    f"{SETTINGS}/channels",
    f"{SETTINGS}/costs",
    f"{SETTINGS}/frontend",
    f"{SETTINGS}/attachments",
    f"{SETTINGS}/heartbeat",
    f"{SETTINGS}/files/SOUL.md",
    f"{SETTINGS}/auth/users",
    f"{USER}/telegram",
)
ADMINS_ONLY = (
    *(("GET", path) for path in ADMINS_READ),
    *(("PUT", f"{SETTINGS}/{name}") for name in ("general", "memory", "cron", "channels")),
    ("PUT", f"{SETTINGS}/frontend"),
    ("PUT", f"{SETTINGS}/files/SOUL.md"),
    ("POST", f"{SETTINGS}/auth/users"),
    ("GET", USER),
    ("PUT", USER),
    ("PUT", f"{USER}/telegram"),
    ("DELETE", f"{USER}/telegram"),
    ("GET", f"{USER}/api-keys"),
    ("POST", f"{USER}/api-keys"),
    ("POST", f"{SETTINGS}/auth/api-keys/nothing/revoke"),
)


def ask(caller: Client, method: str, path: str) -> Any:
    body = "{}" if method in ("POST", "PUT") else ""
    return caller.generic(method, path, body, content_type="application/json")


def test_anybody_gets_what_is_public(admin: Caller):
    answers = {path: ask(Client(), "GET", path).status_code for path in PUBLIC}

    assert answers == dict.fromkeys(PUBLIC, 200)


def test_everything_else_asks_for_a_key(admin: Caller):
    for method, path in (*AUTHENTICATED, *ADMINS_ONLY, ("POST", "/api/memory/reindex")):
        answer = ask(Client(), method, path)

        assert (answer.status_code, answer.json()) == (401, MISSING), (method, path)
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_user_is_let_in_to_what_is_a_users(member: Caller):
    for method, path in AUTHENTICATED:
        answer = ask(member._client, method, path)

        assert answer.status_code in (200, 400, 404, 422), (method, path)
        assert answer.headers["Cache-Control"] == "no-store"


def test_settings_are_shut_to_a_user_and_open_to_an_administrator(admin: Caller, member: Caller):
    for method, path in ADMINS_ONLY:
        refused = ask(member._client, method, path)
        answer = ask(admin._client, method, path)

        assert (refused.status_code, refused.json()) == (403, {"error": "Admin access required"})
        assert answer.status_code in (200, 201, 400, 404, 422), (method, path)


def test_a_user_does_not_have_all_memory_indexed_anew(member: Caller):
    assert ask(member._client, "POST", "/api/memory/reindex").status_code == 403


def test_a_key_that_is_unknown_revoked_expired_or_of_nobody_is_invalid(admin: Caller):
    revoked, expired, inactive = make_member(), make_member(), make_member()
    revoke_key(key_id=revoked.key.pk, actor="test")
    expire(expired.key, timezone.now() - timedelta(seconds=1))
    deactivate_user(user_id=inactive.user.pk, actor="test")

    unknown = "sp_live_" + "0" * 40
    for secret in (unknown, revoked.secret, expired.secret, inactive.secret):
        for path in ("/api/sessions", f"{SETTINGS}/general"):
            answer = Client().get(path, headers={"x-api-key": secret})

            assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API key"})


def test_whatever_is_read_answers_head_as_well(admin: Caller):
    for path in (*PUBLIC, *ADMINS_READ, "/api/sessions", "/api/cron/jobs"):
        read, head = admin.get(path), admin.head(path)

        assert (head.status_code, head.content) == (read.status_code, b""), path
        assert head.headers["Content-Type"] == read.headers["Content-Type"], path


def test_a_page_of_another_site_is_told_of_no_right_to_read_or_send(admin: Caller):
    foreign = {"Origin": "https://evil.example"}
    wanted = {**foreign, "Access-Control-Request-Method": "PUT"}

    for path in ("/api/health", "/api/sessions", f"{SETTINGS}/general"):
        for answer in (
            admin._client.get(path, headers=foreign),
            Client().get(path, headers=foreign),
            Client().options(path, headers=wanted),
        ):
            names = [name.lower() for name in answer.headers]
            assert not [name for name in names if name.startswith("access-control")], path


def test_a_path_below_api_that_is_none_is_never_the_page(admin: Caller):
    for path in ("/api/nothing", "/api/settings/nothing", "/api/chat/"):
        program = admin.get(path)
        browser = admin._client.get(path, headers={"Accept": "text/html,*/*"})

        assert (program.status_code, program.json()) == (404, {"error": "Not found"})
        assert (browser.status_code, b"data-composer" in browser.content) == (404, False)
