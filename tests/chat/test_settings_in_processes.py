"""Live settings where they have to act: in other processes, at once, and from the file."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.gateway import Gateway, new_key
from tests.conftest import StartServer
from tests.e2e.driving import until
from tests.server import RunningServer, launch, start_manage
from tests.wire import OpenAIWireServer

_FORM = """
import json
from django.test import Client
from accounts.models import User
client = Client(HTTP_HOST="localhost")
client.force_login(User.objects.filter(role="admin").earliest("created_at"))
answer = client.post({path!r}, json.loads({fields!r}))
print(answer.status_code)
"""


def save_elsewhere(server: RunningServer, page: str, **fields: object) -> None:
    """An administrator saves a form of the admin in another process on the same data."""
    script = _FORM.format(path=f"/admin/settings/{page}/", fields=json.dumps(fields))
    done = server.manage("shell", "--no-imports", "-c", script)
    assert done.stdout.strip() == "302", done.stdout + done.stderr


def known_to_newest_run(gateway: Gateway) -> str:
    """All that the newest run's log says of its conversation."""
    newest = gateway.get("/v1/runs", limit=1)["items"][0]["run_id"]
    return json.dumps(gateway.get(f"/v1/runs/{newest}/state"))


@pytest.fixture
def server(start_server: StartServer) -> RunningServer:
    return start_server()


@pytest.fixture
def wire() -> Iterator[OpenAIWireServer]:
    with OpenAIWireServer() as wire:
        yield wire


def test_what_is_saved_in_the_admin_of_another_process_acts_on_the_next_message(
    server: RunningServer, gateway: Gateway
):
    # Only what the model makes of it is what the pattern means.
    script = "!say Patient:\n!say Grace"
    before = gateway.chat(script)["text"]

    save_elsewhere(server, "redaction", revision=0, built_in="on", patterns=r"Patient:\s\w+")
    until(lambda: gateway.chat("Patient: Ada")["text"] == "You said: [redacted]")
    until(lambda: gateway.chat(script)["text"] == "[redacted]")

    assert before == "Patient:\nGrace"
    assert "Patient:\\nGrace" not in known_to_newest_run(gateway)


def test_a_secret_typed_into_chat_reaches_nothing_that_is_stored(
    server: RunningServer, gateway: Gateway
):
    key = "sp_live_" + "ab12" * 10
    script = f'remember {key}\n!tool calculate {{"expression": "6*7"}}\n!turn\n!say Noted {key}'

    answer = gateway.chat(script, channel_session_key=new_key())

    assert answer["text"] == "Noted [redacted]"
    server.stop()
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert [path.name for path in files if key.encode() in path.read_bytes()] == []


def test_built_in_patterns_can_be_switched_off(server: RunningServer, gateway: Gateway):
    key = "ghp_" + "Ab12" * 9

    save_elsewhere(server, "redaction", revision=0, patterns="")

    until(lambda: gateway.chat(f"my {key}")["text"] == f"You said: my {key}")


def test_a_key_that_is_entered_is_used_for_the_next_message(
    server: RunningServer, gateway: Gateway, wire: OpenAIWireServer
):
    wire.script([wire.answer("one"), wire.answer("two")])
    addresses = dict.fromkeys(("anthropic", "google", "openrouter", "ollama"), "")

    save_elsewhere(
        server, "providers", revision=0, openai_base_url=wire.url,
        **{f"{name}_base_url": url for name, url in addresses.items()},
    )  # fmt: skip
    save_elsewhere(server, "secrets", name="OPENAI_API_KEY", value="sk-the-first-key-1111")
    general = gateway.get("/api/settings/general")
    models = ["openai/wire-model", *general["models"]]
    gateway.client.put("/api/settings/general", json={**general, "models": models})
    until(lambda: gateway.post_chat("hello").status_code == 200)
    save_elsewhere(server, "secrets", name="OPENAI_API_KEY", value="sk-the-second-key-2222")
    wire.script([wire.answer("again")] * 50)

    def sent_last() -> str:
        gateway.chat("hello again")
        return wire.requests[-1].headers["authorization"]

    until(lambda: sent_last() == "Bearer sk-the-second-key-2222")
    assert wire.requests[0].headers["authorization"] == "Bearer sk-the-first-key-1111"
    assert "sk-the-" not in server.errors()


def test_the_file_is_taken_over_when_it_changes(server: RunningServer, gateway: Gateway):
    file = server.data_dir / "config" / "agent.toml"

    def agent_name() -> str:
        name: str = gateway.get("/api/config")["agent_name"]
        return name

    file.write_text('agent_name = "Vega"\n[providers.openai]\napi_key = "sk-in-the-file-0000"\n')
    until(lambda: agent_name() == "Vega")
    file.write_text('agent_name = "Rigel"\nmax_turns = 0\n')
    until(lambda: "max_turns must be" in server.errors())
    examined = server.manage("doctor")

    assert agent_name() == "Vega"
    assert examined.returncode == 1
    assert "config/agent.toml changes nothing: max_turns must be > 0" in examined.stdout
    assert "providers.openai.api_key is ignored" in server.errors()
    assert "sk-in-the-file" not in server.errors()

    file.unlink()
    until(lambda: agent_name() == "Nova")
    assert server.manage("doctor").returncode == 0


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="a data folder has one server")
def test_two_servers_of_one_database_know_the_same(server: RunningServer, tmp_path: Path):
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    environment = {**server.environment, "STARPORT_DATA": str(other_folder)}
    other = launch(other_folder, environment, admin_key=server.admin_key, workers=0)
    try:
        server.client.put(
            "/api/settings/frontend", json={"greeting": "Good morning", "prompts": []}
        )

        until(lambda: other.client.get("/api/config").json()["greeting"] == "Good morning")
    finally:
        other.stop()


def test_a_server_listens_where_the_setting_says(start_server: StartServer):
    server = start_server(workers=0)
    server.stop()
    folder = server.data_dir / "config"
    (folder / "agent.toml").write_text('server_addr = "127.0.0.1:0"\n')

    process = start_manage(
        "serve", "--data", str(server.data_dir), environment=server.environment, log_dir=folder
    )
    try:
        until(lambda: "is ready at" in process.stdout() or process.popen.poll() is not None)
        assert "is ready at http://127.0.0.1:" in process.stdout(), process.stderr()
        assert ":8080" not in process.stdout()
    finally:
        process.stop()
