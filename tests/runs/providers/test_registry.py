import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from runs.errors import ModelNotFound
from runs.providers import local
from runs.providers.registry import (
    check_configuration,
    configured_models,
    default_model_name,
    get_client,
    parse_model_name,
)


@pytest.mark.parametrize(
    ("name", "wire_form"),
    [
        ("openai:gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("OpenAI:gpt-4o-mini", "openai/gpt-4o-mini"),
        ("ollama:llama3.2:1b", "ollama/llama3.2:1b"),
        ("openrouter/meta-llama/llama-3:free", "openrouter/meta-llama/llama-3:free"),
        ("bedrock:us.anthropic.claude-v1:0", "bedrock/us.anthropic.claude-v1:0"),
        ("scripted", "scripted/scripted"),
        ("local", "local/smollm2-135m"),
    ],
)
def test_both_forms_of_a_name_mean_the_same_model(name, wire_form):
    assert str(parse_model_name(name)) == wire_form


@pytest.mark.parametrize("name", ["", "gpt-4o", ":gpt", "openai:", "openai:gpt 4", "openai:\x00"])
def test_a_name_without_provider_and_model_is_refused(name):
    with pytest.raises(ModelNotFound):
        parse_model_name(name)


def test_the_first_of_the_list_is_the_default(no_providers):
    no_providers.MODEL_NAMES = ["scripted:scripted", "openai/gpt-4o-mini"]

    assert default_model_name() == "scripted/scripted"
    assert configured_models() == ["scripted/scripted", "openai/gpt-4o-mini"]
    assert get_client().provider_id == "scripted"


def test_without_anything_configured_the_built_in_models_remain(no_providers):
    names = configured_models()

    assert names[-1] == "scripted/scripted"
    assert ("local/smollm2-135m" in names) is local.is_installed()


def test_a_key_brings_its_provider_and_comes_before_the_built_in_models(no_providers):
    no_providers.ANTHROPIC_API_KEY = "sk-test"

    assert default_model_name().startswith("anthropic/")


def test_any_model_of_a_configured_provider_may_be_asked_for(no_providers):
    no_providers.OPENAI_API_KEY = "sk-test"

    client = get_client("openai:gpt-of-tomorrow")

    assert (client.provider_id, client.model_id, client.api_version) == (
        "openai",
        "gpt-of-tomorrow",
        "v1",
    )
    assert get_client("openai/gpt-of-tomorrow") is client


@pytest.mark.parametrize(
    "name", ["openai:gpt-4o", "nobody:model", "scripted:other", "local:other", "gpt-4o"]
)
def test_what_nobody_serves_is_refused(no_providers, name):
    with pytest.raises(ModelNotFound):
        get_client(name)


def test_the_refusal_names_what_is_known(no_providers):
    with pytest.raises(ModelNotFound, match=r"serves nobody/model; known are .*scripted/scripted"):
        get_client("nobody:model")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["openai:gpt-4o"], "names openai:gpt-4o, but OPENAI_API_KEY or OPENAI_BASE_URL is not"),
        (["nobody:model"], "there is no such provider; known are openai, anthropic,"),
        (["scripted:other"], "the only scripted model is scripted"),
        (["nonsense"], "'nonsense' is no model name"),
    ],
)
def test_an_unusable_list_is_explained_to_the_operator(no_providers, names, sentence):
    no_providers.MODEL_NAMES = names

    with pytest.raises(ModelNotFound) as caught:
        check_configuration()

    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_of_ones_own_needs_no_key_but_a_model_name(no_providers):
    no_providers.OPENAI_BASE_URL = "http://127.0.0.1:8000/v1"
    no_providers.MODEL_NAMES = ["openai:my-model"]

    check_configuration()

    assert get_client().model_id == "my-model"


def test_a_key_never_shows_in_a_representation(no_providers):
    from runs.providers.endpoints import find_endpoint

    no_providers.OPENAI_API_KEY = "sk-very-secret"

    assert "sk-very-secret" not in repr(find_endpoint("openai"))


def test_an_ollama_offers_what_it_has_pulled(no_providers):
    class Tags(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"models": [{"name": "llama3.2:1b"}, {"name": "qwen3"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Tags) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        no_providers.OLLAMA_BASE_URL = f"127.0.0.1:{server.server_port}"

        names = configured_models()

        server.shutdown()
        thread.join()

    assert names[:2] == ["ollama/llama3.2:1b", "ollama/qwen3"]
