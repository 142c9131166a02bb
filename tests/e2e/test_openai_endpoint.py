"""`serve` with an OpenAI-compatible endpoint: tools, streaming, and providers that fail."""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.e2e.driving import WITH_FAULT_TOOLS, Driver, until
from tests.e2e.streams import frames
from tests.wire import OpenAIWireServer, Silence

KEY = "sk-test-not-to-be-shown"
CALLS = [("call_a", "price", '{"article": "tea"}'), ("call_b", "price", '{"article": "rum"}')]


@pytest.fixture
def wire() -> Iterator[OpenAIWireServer]:
    with OpenAIWireServer() as wire:
        yield wire


@pytest.fixture
def driver(wire: OpenAIWireServer, start_server: StartServer) -> Driver:
    environment = {
        "STARPORT_MODELS": "openai:wire-model",
        "OPENAI_BASE_URL": wire.url,
        "OPENAI_API_KEY": KEY,
        "STARPORT_MODEL_IDLE_TIMEOUT": "1",
        **WITH_FAULT_TOOLS,
    }
    return Driver(start_server(env=environment))


def test_tools_are_called_and_the_answer_streams_word_by_word(
    driver: Driver, wire: OpenAIWireServer
):
    wire.script([wire.answer(tool_calls=CALLS), wire.answer("ten euros each").held_after(1)])
    run_id = driver.start("What do tea and rum cost?")

    texts, kinds = [], []
    with driver.client.stream("GET", f"/api/v1/runs/{run_id}/stream?deltas=1") as reply:
        for name, data in frames(reply.iter_lines()):
            if name == "delta":
                texts.append(data["text"])
            elif name == "event":
                kinds.append(data["kind"])
                if kinds.count("TurnStarted") == 2:
                    wire.release()

    assert texts == ["ten ", "euros ", "each"]
    assert kinds == driver.kinds(run_id)
    assert driver.detail(run_id)["final_text"] == "ten euros each"
    sent = wire.requests[1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [message["tool_call_id"] for message in sent[2:]] == ["call_a", "call_b"]
    assert json.loads(sent[2]["content"]) == {"article": "tea", "price": 10}


def test_a_provider_that_dies_in_mid_stream_is_asked_again(driver: Driver, wire: OpenAIWireServer):
    wire.script([wire.answer("half an answ").cut_after(3), wire.answer("a whole answer")])

    detail, events = driver.run("hello")

    assert detail["final_text"] == "a whole answer"
    assert len(wire.requests) == 2
    assert [event["kind"] for event in events].count("TurnStarted") == 1
    assert detail["validation"] == {"status": "valid"}


def test_a_provider_that_dies_every_time_fails_the_run(driver: Driver, wire: OpenAIWireServer):
    wire.script([wire.answer("half an answ").cut_after(3)] * 3)

    detail, events = driver.run("hello")

    assert [event["kind"] for event in events[-2:]] == ["TurnStarted", "RunFailed"]
    assert (detail["status"], detail["error_type"]) == ("failed", "provider")
    assert detail["error"].startswith('starling: provider "openai"')
    assert len(wire.requests) == 3


def test_a_provider_that_falls_silent_is_asked_again(driver: Driver, wire: OpenAIWireServer):
    wire.script([Silence(), wire.answer("half").held_after(1), wire.answer("here I am")])

    detail, _ = driver.run("hello")

    assert detail["final_text"] == "here I am"
    assert len(wire.requests) == 3


def test_a_wrong_key_fails_the_run_at_once_and_shows_in_nothing(
    driver: Driver, wire: OpenAIWireServer
):
    wire.script([wire.failure(401, f"Incorrect API key provided: {KEY}")])

    detail, events = driver.run("hello")

    assert detail["error"].startswith('starling: provider "openai" (status 401)')
    assert len(wire.requests) == 1
    assert KEY not in json.dumps(events) + driver.server.errors()


def test_arguments_that_are_not_json_fail_the_run(driver: Driver, wire: OpenAIWireServer):
    wire.script([wire.answer(tool_calls=[("call_a", "price", '{"article": ')])])

    detail, events = driver.run("hello")

    assert [event["kind"] for event in events[-2:]] == ["TurnStarted", "RunFailed"]
    assert detail["error_type"] == "internal"


def test_a_cancelled_run_hangs_up_on_the_provider(driver: Driver, wire: OpenAIWireServer):
    wire.script([wire.answer("a long story").slow(0.2).held_after(2)])
    run_id = driver.start("tell me")
    until(lambda: bool(wire.requests))

    driver.cancel(run_id)

    assert driver.until_ended(run_id)["status"] == "cancelled"
    assert wire.hung_up.wait(30)


def test_text_that_databases_dislike_does_not_fail_the_run(driver: Driver, wire: OpenAIWireServer):
    wire.script([wire.answer("zero\x00byte")])

    detail, _ = driver.run("hello")

    assert detail["status"] == "completed"
    assert detail["validation"] == {"status": "valid"}
