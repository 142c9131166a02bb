"""GET /api/settings/models and GET /api/config."""

import pytest
from django.test import Client

from tests.chat.settings.callers import Caller

ALWAYS = {"anthropic", "openai", "gemini", "groq", "deepseek", "openrouter", "ollama", "bedrock"}


def test_models_are_sorted_ids_by_provider(admin: Caller, settings):
    settings.MODEL_NAMES = ["scripted:scripted", "google:gemini-of-ours"]

    models = admin.get("/api/settings/models")["models"]

    assert ALWAYS | {"vertex", "scripted"} <= models.keys()
    assert all(ids == sorted(set(ids)) for ids in models.values())
    assert models["scripted"] == ["scripted"]
    assert "gemini-of-ours" in models["gemini"]
    assert "claude-sonnet-5-5" in models["anthropic"]
    assert any("/" in name for name in models["openrouter"])


def test_an_operators_file_replaces_the_lists_it_names(admin: Caller, settings, tmp_path):
    settings.STARPORT_MODELS_FILE = tmp_path / "models.toml"
    settings.STARPORT_MODELS_FILE.write_text('[models]\nanthropic = ["b", "a"]\nhouse = ["own"]\n')

    models = admin.get("/api/settings/models")["models"]

    assert (models["anthropic"], models["house"]) == (["a", "b"], ["own"])
    assert models["groq"]


@pytest.mark.parametrize("content", ["[models", "", '[models]\nopenai = "x"', "[models]\na = [1]"])
def test_a_bad_file_is_reported_and_changes_nothing(
    admin: Caller, settings, tmp_path, caplog, content: str
):
    before = admin.get("/api/settings/models")
    settings.STARPORT_MODELS_FILE = tmp_path / "models.toml"
    settings.STARPORT_MODELS_FILE.write_text(content)

    assert admin.get("/api/settings/models") == before
    assert "config/models.toml cannot be used" in caplog.text


def test_the_page_is_told_what_it_needs_whoever_asks(admin: Caller, settings):
    settings.MODEL_NAMES = ["scripted:scripted"]
    admin.put("/api/settings/frontend", {"greeting": "Hi </script>", "prompts": ["one"]})

    assert Client().get("/api/config").json() == {
        "greeting": "Hi </script>",
        "prompts": ["one"],
        "models": ["scripted/scripted"],
        "agent_name": "Nova",
        "oauth_proxy_url": "",
        "attachments": {"enabled": True, "max_file_size": 20_971_520, "allowed_extensions": []},
    }
