"""`config/agent.toml`: what it may say, what it counts for, and what a bad one does."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditRecord
from chat.live_settings.file import SettingsFile, file_status
from tests.chat.settings.callers import Caller
from tests.chat.settings.test_admin import origins, text_of

WHOLE = """
models = ["openai/a", "scripted/scripted"]
max_turns = 5
agent_name = "Vega"

[memory]
half_life_days = 7
chunk_size = 800
chunk_overlap = 100

[cron]
max_concurrent_runs = 4

[channels.telegram]
enabled = true
gap_minutes = 30

[frontend]
greeting = "Good morning"
prompts = ["What is new?"]

[attachments]
max_file_size = 1024

[providers.gemini]
base_url = "http://127.0.0.1:9"
"""


class Server:
    """The part of a server that looks at its file."""

    def __init__(self, path: Path, commits: Any) -> None:
        self.path, self._commits = path, commits
        self._file = SettingsFile(path)

    def reads(self, content: str | bytes) -> None:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.looks()

    def looks(self) -> None:
        with self._commits(execute=True):
            self._file.look()


@pytest.fixture
def server(tmp_path: Path, django_capture_on_commit_callbacks) -> Server:
    return Server(tmp_path / "agent.toml", django_capture_on_commit_callbacks)


def test_what_it_says_counts(server: Server, admin: Caller, back_office: Caller):
    server.reads(WHOLE)

    general = admin.get("/api/settings/general")
    assert (general["models"], general["max_turns"]) == (["openai/a", "scripted/scripted"], 5)
    assert admin.get("/api/settings/memory")["half_life_days"] == 7
    assert admin.get("/api/settings/cron")["max_concurrent_runs"] == 4
    assert admin.get("/api/settings/channels")["telegram"]["gap_minutes"] == 30
    assert admin.get("/api/settings/frontend")["prompts"] == ["What is new?"]
    assert admin.get("/api/settings/attachments")["max_file_size"] == 1024
    assert origins(back_office, "providers")["google_base_url"] == "file"
    assert AuditRecord.objects.filter(fact_kind="settings_file_applied").count() == 1


def test_it_is_over_the_environment_and_under_the_database(
    server: Server, admin: Caller, back_office: Caller, settings
):
    settings.MODEL_NAMES = ["scripted:scripted"]
    admin.put("/api/settings/cron", {
        "default_max_retries": 3, "default_timeout_secs": 7200,
        "max_concurrent_runs": 2, "heartbeat_interval_minutes": 30,
    })  # fmt: skip

    server.reads(WHOLE)

    assert admin.get("/api/settings/cron")["max_concurrent_runs"] == 2
    assert origins(back_office, "cron")["max_concurrent_runs"] == "database"
    assert origins(back_office, "general")["models"] == "file"

    back_office.post_form("/admin/settings/cron/reset/", field="max_concurrent_runs")

    assert admin.get("/api/settings/cron")["max_concurrent_runs"] == 4


def test_what_is_changed_elsewhere_leaves_it_as_its_author_wrote_it(
    server: Server, admin: Caller, back_office: Caller
):
    written = f"# Why these values: ask Ada.\n{WHOLE}"
    server.reads(written)

    admin.put("/api/settings/frontend", {"greeting": "Hi", "prompts": []})
    back_office.post_form("/admin/settings/memory/reset/", field="chunk_size")
    server.looks()

    assert server.path.read_text() == written


def test_what_it_no_longer_says_is_the_default_again(server: Server, admin: Caller):
    server.reads(WHOLE)

    server.reads("agent_name = 'Rigel'")
    shorter = admin.get("/api/settings/general")
    server.path.unlink()
    server.looks()

    assert (shorter["agent_name"], shorter["max_turns"]) == ("Rigel", 30)
    assert admin.get("/api/settings/general")["agent_name"] == "Nova"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("agent_name = ", "it is no TOML"),
        (b"agent_name = '\xff'", "it is not UTF-8"),
        ("agent_name = 5", "agent_name: Input should be a valid string"),
        ("agent_name = 2026-11-30", "agent_name: Input should be a valid string"),
        ("max_turns = 0", "max_turns must be > 0"),
        ("max_turns = '5'", "max_turns: Input should be a valid integer"),
        ("max_tokens = 9223372036854775808", "max_tokens must be at most"),
        ("models = ['a/b', 'a/b']", "models must not name a model twice"),
        ("[memory]\nhalf_life_days = nan", "memory.half_life_days"),
        ("[memory]\nchunk_overlap = 900", "chunk_overlap must be less than half of chunk_size"),
        ("[channels.telegram]\nstream_mode = 'loud'", "channels.telegram.stream_mode must be"),
        ("[redaction]\npatterns = ['(']", "is no regular expression"),
        ("[providers.openai]\nbase_url = 'ftp://x'", "providers.openai_base_url"),
        ("# " + "x" * 1_048_576, "it has more than 1048576 bytes"),
    ],
)
def test_a_bad_one_changes_nothing_and_is_reported(
    server: Server, admin: Caller, back_office: Caller, caplog, content: str | bytes, said: str
):
    server.reads("agent_name = 'Vega'")

    server.reads(content)

    assert admin.get("/api/settings/general")["agent_name"] == "Vega"
    assert said in file_status().problem
    assert "the settings file changes nothing" in caplog.text
    assert "config/agent.toml changes nothing" in text_of(back_office, "/admin/settings/")


def test_a_file_that_fits_after_all_is_taken_over_without_a_change_to_it(
    server: Server, admin: Caller
):
    memory = admin.get("/api/settings/memory")
    admin.put("/api/settings/memory", {**memory, "chunk_size": 700})
    server.reads("[memory]\nchunk_overlap = 400")  # not below half of 700
    refused = file_status().problem

    admin.put("/api/settings/memory", memory)
    server.looks()

    assert "chunk_overlap" in refused
    assert file_status().problem == ""
    assert admin.get("/api/settings/memory")["chunk_overlap"] == 400


def test_a_bad_one_is_reported_once(server: Server, caplog):
    server.reads("max_turns = 0")
    server.looks()
    server.looks()

    assert caplog.text.count("the settings file changes nothing") == 1


def test_secrets_and_unknown_keys_are_left_out_with_a_warning(
    server: Server, admin: Caller, back_office: Caller
):
    server.reads(
        "agent_name = 'Vega'\nnot_ours = 1\n[auth]\nrate_limit_requests = 5\n"
        "[memory]\nauto_log = true\n[channels.email]\nx = 1\n"
        "[channels.telegram]\nbot_token = '1:in-the-file'\n"
        "[providers.openai]\napi_key = 'sk-in-the-file'\nenabled = true\n"
    )

    page = text_of(back_office, "/admin/settings/")
    assert admin.get("/api/settings/general")["agent_name"] == "Vega"
    assert "bot_token" not in admin.get("/api/settings/channels")["telegram"]
    for said in (
        "not_ours means nothing here",
        "[auth] means nothing here",
        "memory.auto_log means nothing here",
        "channels.email means nothing here",
        "channels.telegram.bot_token is ignored: secrets belong into the environment or the admin",
        "providers.openai.api_key is ignored",
        "providers.openai.enabled means nothing here",
    ):
        assert said in page
    assert "in-the-file" not in page


def test_an_older_file_may_name_one_model_in_two_halves(server: Server, admin: Caller):
    server.reads('provider = "openai"\nmodel = "gpt-6-sol"')

    assert admin.get("/api/settings/general")["models"] == ["openai/gpt-6-sol"]


def test_a_server_without_a_file_leaves_that_of_another_one_alone(
    server: Server, admin: Caller, tmp_path: Path, django_capture_on_commit_callbacks
):
    server.reads("agent_name = 'Vega'")

    Server(tmp_path / "elsewhere.toml", django_capture_on_commit_callbacks).looks()
    server.looks()

    assert admin.get("/api/settings/general")["agent_name"] == "Vega"
