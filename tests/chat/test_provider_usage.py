"""Between the gateway and a provider: what it is asked for, what its answers took, and no key."""

from collections.abc import Iterator

import pytest

from tests.chat.gateway import Gateway
from tests.chat.socket.client import ask, chat_socket, receive, say
from tests.conftest import _server_factory
from tests.e2e.driving import until
from tests.server import RunningServer
from tests.wire import OpenAIWireServer

MODEL = "openai/gpt-4o"
USAGE = (100, 5, 40)  # in, out, and of what goes in cached
KEYLESS = "anthropic/claude-opus-4-5"


@pytest.fixture(scope="module")
def _wire() -> Iterator[OpenAIWireServer]:
    with OpenAIWireServer() as wire:
        yield wire


@pytest.fixture(scope="module")
def _server(
    _wire: OpenAIWireServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    provider = {"OPENAI_API_KEY": "sk-of-tests", "OPENAI_BASE_URL": _wire.url}
    with _server_factory(tmp_path_factory) as start:
        yield start(env={"STARPORT_MODELS": "scripted:scripted,openai:gpt-4o", **provider})


@pytest.fixture
def wire(_wire: OpenAIWireServer) -> OpenAIWireServer:
    _wire.requests.clear()
    return _wire


@pytest.fixture
def server(_server: RunningServer) -> Iterator[RunningServer]:
    """With its settings as they were, afterwards."""
    general = _server.client.get("/api/settings/general").json()
    yield _server
    _server.client.put("/api/settings/general", json=general)


@pytest.fixture
def gateway(server: RunningServer) -> Gateway:
    return Gateway(server.client)


def test_cached_tokens_are_apart_in_an_answer_and_included_at_the_end_of_a_stream(
    gateway: Gateway, wire: OpenAIWireServer
):
    wire.script([wire.answer("hello", usage=USAGE)] * 2)

    whole = gateway.chat("hi", model=MODEL)["usage"]
    with chat_socket(gateway.client) as socket:
        end = ask(socket, "hi", model=MODEL)[-1]

    assert [whole[name] for name in ("input_tokens", "cache_read_tokens", "output_tokens")] == [
        *(60, 40, 5)
    ]
    assert whole["cost_usd"] > 0
    assert (end["input_tokens"], end["cache_read_input_tokens"]) == (100, 40)
    assert end["cost_usd"] == whole["cost_usd"]


def test_what_was_used_is_counted_under_the_model_that_was_asked_for(
    gateway: Gateway, wire: OpenAIWireServer
):
    wire.script([wire.answer("hello", usage=USAGE)])

    gateway.chat("hi", model=MODEL)

    def counted() -> list[tuple[int, int, int]]:
        names = ("total_turns", "total_input_tokens", "total_cache_read")
        costs = gateway.get("/api/settings/costs")["by_model"]
        return [tuple(used[name] for name in names) for used in costs if used["model"] == "gpt-4o"]

    until(lambda: bool(counted()))
    [(turns, read, cached)] = counted()
    assert (read, cached) == (turns * USAGE[0], turns * USAGE[2])


def test_what_the_settings_say_of_answers_is_asked_of_the_provider(
    gateway: Gateway, wire: OpenAIWireServer
):
    general = gateway.get("/api/settings/general")
    changed = {**general, "max_tokens": 77, "models": [MODEL]}
    wire.script([wire.answer("hello", usage=USAGE)])

    gateway.client.put("/api/settings/general", json=changed)
    gateway.chat("hi")

    [request] = wire.requests
    assert request.body["model"] == "gpt-4o"
    assert 77 in (request.body.get("max_tokens"), request.body.get("max_completion_tokens"))


def test_what_no_answer_can_be_made_of_ends_the_stream_without_counts(
    gateway: Gateway, wire: OpenAIWireServer
):
    wire.script([wire.answer(tool_calls=[("c1", "calculate", '{"expression":')], usage=USAGE)] * 3)

    with chat_socket(gateway.client) as socket:
        end = ask(socket, "hi", model=MODEL)[-1]

    assert end["is_error"] is True
    assert end["errors"][0].startswith("Stream error: ")
    assert {end[name] for name in end if name.endswith("tokens") or name == "cost_usd"} == {0}
    assert end["num_turns"] == 0


def test_a_model_whose_provider_has_no_key_is_a_503_and_opens_no_session(gateway: Gateway):
    general = gateway.get("/api/settings/general")
    before = gateway.get("/api/sessions", limit=200)
    gateway.client.put(
        "/api/settings/general", json={**general, "models": ["scripted/scripted", KEYLESS]}
    )

    answer = gateway.post_chat("hi", model=KEYLESS)
    with chat_socket(gateway.client) as socket:
        say(socket, "hi", model=KEYLESS)
        frame = receive(socket)

    said = (
        "Chat error: Config error: No API key found for provider 'anthropic': "
        "ANTHROPIC_API_KEY is not set"
    )
    assert (answer.status_code, answer.json()) == (503, {"error": said})
    assert frame == {"type": "error", "message": said}
    assert gateway.get("/api/sessions", limit=200) == before
