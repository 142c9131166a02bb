"""What a provider says that an answer took: on every surface, under the model that gave it."""

from collections.abc import Iterator

import pytest

from tests.chat.gateway import Gateway
from tests.chat.socket.client import ask, chat_socket, receive, say
from tests.conftest import StartServer
from tests.e2e.driving import until
from tests.wire import OpenAIWireServer

MODEL = "openai/gpt-4o"
KEYLESS = "anthropic/claude-opus-4-5"


@pytest.fixture
def wire() -> Iterator[OpenAIWireServer]:
    with OpenAIWireServer() as wire:
        yield wire


def test_cached_tokens_are_apart_in_an_answer_and_included_at_the_end_of_a_stream(
    start_server: StartServer, wire: OpenAIWireServer
):
    server = start_server(
        env={
            "STARPORT_MODELS": "scripted:scripted,openai:gpt-4o",
            "OPENAI_API_KEY": "sk-of-tests",
            "OPENAI_BASE_URL": wire.url,
        }
    )
    gateway = Gateway(server.client)
    wire.script([wire.answer("hello", usage=(100, 5, 40))] * 2)

    whole = gateway.chat("hi", model=MODEL)["usage"]
    with chat_socket(server.client) as socket:
        end = ask(socket, "hi", model=MODEL)[-1]

    assert (whole["input_tokens"], whole["cache_read_tokens"], whole["output_tokens"]) == (
        60,
        40,
        5,
    )
    assert whole["cost_usd"] > 0
    assert (end["input_tokens"], end["cache_read_input_tokens"]) == (100, 40)
    assert end["cost_usd"] == whole["cost_usd"]
    until(lambda: gateway.get("/api/settings/costs")["total_turns"] >= 2)
    costs = gateway.get("/api/settings/costs")
    [used] = [entry for entry in costs["by_model"] if "gpt-4o" in entry["model"]]
    assert (used["total_turns"], used["total_input_tokens"], used["total_cache_read"]) == (
        *(2, 200, 80),
    )


def test_a_model_whose_provider_has_no_key_is_a_503_and_opens_no_session(
    start_server: StartServer,
):
    server = start_server()
    gateway = Gateway(server.client)
    general = gateway.get("/api/settings/general")
    models = ["scripted/scripted", KEYLESS]
    server.client.put("/api/settings/general", json={**general, "models": models})

    answer = gateway.post_chat("hi", model=KEYLESS)
    with chat_socket(server.client) as socket:
        say(socket, "hi", model=KEYLESS)
        frame = receive(socket)

    said = (
        "Chat error: Config error: No API key found for provider 'anthropic': "
        "ANTHROPIC_API_KEY is not set"
    )
    assert (answer.status_code, answer.json()) == (503, {"error": said})
    assert frame == {"type": "error", "message": said}
    assert gateway.get("/api/sessions") == []
