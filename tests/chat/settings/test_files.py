"""GET and PUT /api/settings/files/{name}, /api/settings/heartbeat, and who hears of it."""

from collections.abc import Iterator

import pytest

from accounts.models import AuditRecord
from chat.cron.heartbeat import follow_changes
from chat.memory.context import system_prompt
from chat.models import CronJob
from chat.signals import document_written, settings_changed
from tests.chat.settings.callers import Caller

MEGABYTE = 1_048_576


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What was told after a commit."""
    told: list[str] = []

    def on_settings(group: str, **_: object) -> None:
        told.append(f"settings {group}")

    def on_document(owner: str, name: str, **_: object) -> None:
        told.append(f"document {owner}{name}")

    settings_changed.connect(on_settings)
    document_written.connect(on_document)
    yield told
    settings_changed.disconnect(on_settings)
    document_written.disconnect(on_document)


@pytest.mark.parametrize("name", ["HEARTBEAT.md", "BOOT.md", "BOOTSTRAP.md"])
def test_a_file_that_nobody_has_written_is_empty(admin: Caller, name: str):
    assert admin.get(f"/api/settings/files/{name}") == {"content": ""}


def test_the_soul_has_a_text_from_the_beginning(admin: Caller):
    assert "helpful assistant" in admin.get("/api/settings/files/SOUL.md")["content"]


def test_what_was_written_is_read_and_begins_the_next_conversation(admin: Caller):
    admin.put("/api/settings/files/SOUL.md", {"content": "# Be brief\n"})

    assert admin.get("/api/settings/files/SOUL.md") == {"content": "# Be brief\n"}
    assert "# Be brief" in system_prompt("anybody")
    assert [hit["source"] for hit in admin.get("/api/memory/search?q=brief")] == ["SOUL.md"]
    assert AuditRecord.objects.filter(fact_kind="document_written").count() == 1


@pytest.mark.parametrize(
    "name", ["USER.md", "MEMORY.md", "soul.md", "SOUL.md/", "..%2Fsecret_key", "a/b.md", "config"]
)
def test_other_names_are_not_editable(admin: Caller, name: str):
    read = admin.client.get(f"/api/settings/files/{name}")
    written = admin.try_put(f"/api/settings/files/{name}", {"content": "x"})

    shown = name.replace("%2F", "/")
    for answer in (read, written):
        assert (answer.status_code, answer.json()) == (
            400,
            {"error": f"File '{shown}' is not editable"},
        )


def test_a_file_has_at_most_a_mebibyte(admin: Caller):
    fitting = "x" * (MEGABYTE - 2) + "é"  # two bytes

    fits = admin.try_put("/api/settings/files/BOOT.md", {"content": fitting})
    too_long = admin.try_put("/api/settings/files/BOOT.md", {"content": fitting + "x"})

    assert fits.status_code == 200
    assert too_long.status_code == 413
    assert too_long.json()["error"] == (
        "IO error: Content size (1048577 bytes) exceeds maximum (1048576 bytes)"
    )


def test_a_secret_is_taken_out_of_what_is_remembered(admin: Caller):
    admin.put("/api/settings/files/SOUL.md", {"content": "The key is ghp_" + "Ab12" * 9 + "."})

    assert admin.get("/api/settings/files/SOUL.md") == {"content": "The key is [redacted]."}


@pytest.mark.parametrize("body", [{}, {"content": None}, {"content": 5}])
def test_the_content_is_a_text(admin: Caller, body: dict[str, object]):
    answer = admin.try_put("/api/settings/files/SOUL.md", body)

    assert answer.status_code == 422
    assert "content" in answer.json()["error"]


def test_the_heartbeat_is_its_file_and_its_interval(admin: Caller):
    admin.put(
        "/api/settings/heartbeat", {"enabled": True, "interval_minutes": 90, "content": "Look."}
    )

    assert admin.get("/api/settings/files/HEARTBEAT.md") == {"content": "Look."}
    assert admin.get("/api/settings/cron")["heartbeat_interval_minutes"] == 90


def test_a_heartbeat_that_is_switched_off_keeps_what_it_would_say(admin: Caller):
    whole = {"enabled": True, "interval_minutes": 5, "content": "Look."}
    admin.put("/api/settings/heartbeat", whole)

    admin.put("/api/settings/heartbeat", {**whole, "enabled": False})

    assert admin.get("/api/settings/heartbeat") == {**whole, "enabled": False}


def test_the_heartbeats_job_follows_its_form(admin: Caller):
    whole = {"enabled": True, "interval_minutes": 90, "content": "Look."}
    seen = []

    for change in ({}, {"interval_minutes": 5}, {"enabled": False}, {"enabled": True}):
        admin.put("/api/settings/heartbeat", {**whole, **change})
        follow_changes(now=0)  # what every tick of the scheduler begins with
        job = CronJob.objects.get(name="__heartbeat__")
        seen.append((job.enabled, job.schedule["every_ms"] // 60_000))

    assert seen == [(True, 90), (True, 5), (False, 90), (True, 90)]


def test_a_heartbeat_without_text_does_not_beat(admin: Caller):
    admin.put("/api/settings/files/HEARTBEAT.md", {"content": "  \n"})

    assert admin.get("/api/settings/heartbeat")["enabled"] is False


def test_whoever_acts_by_the_heartbeat_hears_of_every_way_to_change_it(
    admin: Caller, heard: list[str]
):
    admin.put("/api/settings/files/HEARTBEAT.md", {"content": "Look."})
    by_file = list(heard)
    admin.put(
        "/api/settings/heartbeat", {"enabled": True, "interval_minutes": 5, "content": "Look."}
    )
    by_form = heard[len(by_file) :]

    assert by_file == ["document HEARTBEAT.md"]
    assert by_form == ["settings cron", "document HEARTBEAT.md"]


def test_who_fails_to_hear_of_a_change_does_not_undo_it(admin: Caller, caplog):
    def fails(**_: object) -> None:
        raise RuntimeError("no ears")

    settings_changed.connect(fails)
    try:
        admin.put("/api/settings/frontend", {"greeting": "Hi", "prompts": []})
    finally:
        settings_changed.disconnect(fails)

    assert admin.get("/api/settings/frontend")["greeting"] == "Hi"
    assert "a receiver failed" in caplog.text
