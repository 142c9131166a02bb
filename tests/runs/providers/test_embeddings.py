"""Embeddings of a provider that speaks OpenAI's protocol, and of the scripted one."""

import pytest

from runs.errors import ModelNotFound
from runs.providers.base import ProviderError
from runs.providers.embeddings import Embedder, get_embedder
from tests.runs.providers.conftest import KEY
from tests.wire import Silence


def embed(embedder: Embedder, *texts: str, timeout_seconds: float = 30.0) -> list[list[float]]:
    return embedder.embed(texts, is_query=False, timeout_seconds=timeout_seconds)


def test_each_text_gets_its_vector(openai_server):
    openai_server.script([openai_server.embeddings([0.5, -0.25], [1.0, 0.0])])

    vectors = embed(get_embedder("openai/text-embedding-3-small"), "one", "two")

    sent = openai_server.requests[0]
    assert vectors == [[0.5, -0.25], [1.0, 0.0]]
    assert (sent.path, sent.headers["authorization"]) == ("/v1/embeddings", f"Bearer {KEY}")
    assert (sent.body["model"], sent.body["input"]) == ("text-embedding-3-small", ["one", "two"])


def test_an_ollama_is_asked_the_same_way(openai_server, settings):
    openai_server.script([openai_server.embeddings([1.0, 2.0])])
    settings.OLLAMA_BASE_URL = openai_server.url

    assert embed(get_embedder("ollama:nomic-embed-text"), "one") == [[1.0, 2.0]]
    assert openai_server.requests[0].body["model"] == "nomic-embed-text"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "auth"), (429, "rate_limit"), (503, "overloaded"), (400, "bad_request")],
)
def test_a_failure_has_its_kind_and_tells_no_secret(openai_server, status, kind):
    openai_server.script([openai_server.failure(status, f"the key {KEY} is no good")])

    with pytest.raises(ProviderError) as failed:
        embed(get_embedder("openai/text-embedding-3-small"), "one")

    assert failed.value.kind == kind
    assert KEY not in str(failed.value)
    assert len(openai_server.requests) == 1  # retries are not the SDK's business


def test_an_answer_that_does_not_fit_is_refused(openai_server):
    embedder = get_embedder("openai/text-embedding-3-small")
    for vectors in ([[1.0]], [[1.0], [1.0, 2.0]]):
        openai_server.script([openai_server.embeddings(*vectors)])
        with pytest.raises(ProviderError, match="do not fit"):
            embed(embedder, "one", "two")


def test_a_provider_that_says_nothing_is_not_waited_for(openai_server):
    openai_server.script([Silence()])

    with pytest.raises(ProviderError) as failed:
        embed(get_embedder("openai/text-embedding-3-small"), "one", timeout_seconds=0.05)

    assert failed.value.kind == "timeout"


@pytest.mark.usefixtures("no_providers")
@pytest.mark.parametrize("name", ["openai/x", "anthropic/x", "nowhere/x", "x", "scripted/other"])
def test_what_gives_no_embeddings_is_not_found(name: str):
    with pytest.raises(ModelNotFound):
        get_embedder(name)


def test_the_scripted_one_finds_words_alike_that_share_their_parts():
    embedder = get_embedder("scripted")

    sail, sailing, bread = embed(embedder, "sail", "Sailing", "bread")

    def product(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert product(sail, sailing) > product(sail, bread)
    assert embed(embedder, "sail") == [sail]


def test_the_scripted_one_fails_when_a_text_says_so():
    with pytest.raises(ProviderError) as failed:
        embed(get_embedder("scripted/scripted"), "fine", "x\n!fail overloaded")

    assert failed.value.kind == "overloaded"
