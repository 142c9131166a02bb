"""Search by meaning: with an embedding model, and what becomes of it without."""

import math
import struct
import time

import pytest

from chat.memory.documents import SHARED, write_document
from chat.memory.embedding import count_pending, embed_pending
from chat.memory.indexing import reindex
from chat.models import MemoryChunk
from runs.providers.embeddings import get_embedder
from tests.chat.memory.conftest import Configure, Person

pytestmark = pytest.mark.django_db

MODEL = "scripted/scripted"


@pytest.fixture(autouse=True)
def _with_a_model(configure: Configure) -> None:
    configure("memory", embedding_model=MODEL)


def test_what_shares_no_word_with_the_query_is_found_as_well(owner: Person):
    owner.write("memory/a.md", "A sailor repaired the sailboat.")
    owner.write("memory/b.md", "Bread and butter.")
    owner.write("memory/c.md", "The sails were torn.")
    embed_pending()

    found = owner.sources("sailing")

    # By its stem `sails` is the word that was asked for; the others share no more than letters.
    assert set(found[:2]) == {"memory/a.md", "memory/c.md"}
    assert found[2] == "memory/b.md"


def test_nobody_comes_near_what_is_anothers(owner: Person, stranger: Person):
    stranger.write("MEMORY.md", "sailboats")
    write_document(SHARED, "guides/sails.md", "sailcloth", actor="test")
    embed_pending()

    assert owner.sources("sailing") == ["guides/sails.md"]


def test_it_can_be_switched_off(owner: Person, configure: Configure):
    owner.write("memory/a.md", "A sailor")
    embed_pending()
    configure("memory", embedding_model=MODEL, vector_search=False)

    assert owner.search("sailing") == []


def test_of_what_says_the_same_one_comes_first_and_the_other_late(
    owner: Person, configure: Configure
):
    for name in ("memory/a.md", "memory/b.md"):
        owner.write(name, "the harbour of Stromness")
    owner.write("memory/c.md", "a harbour in the south of Orkney with many boats")
    embed_pending()

    configure("memory", embedding_model=MODEL, mmr_lambda=0.3)
    varied = owner.sources("harbour of Stromness", limit=2)
    configure("memory", embedding_model=MODEL, mmr_lambda=1.0)
    likest = owner.sources("harbour of Stromness", limit=2)

    assert varied == ["memory/a.md", "memory/c.md"]
    assert likest == ["memory/a.md", "memory/b.md"]


def test_a_query_that_cannot_be_embedded_is_answered_by_words(owner: Person, caplog):
    owner.write("memory/a.md", "They fail to auth me")
    embed_pending()

    assert owner.sources("!fail auth") == ["memory/a.md"]
    assert "a query has no embedding, search goes by words" in caplog.messages


def test_a_model_that_is_not_configured_leaves_search_to_words(
    owner: Person, configure: Configure, caplog
):
    configure("memory", embedding_model="nowhere/nothing")
    owner.write("memory/a.md", "sailing")

    assert owner.sources("sailing") == ["memory/a.md"]
    assert "the embedding model is not configured, search goes by words" in caplog.messages


def test_a_provider_that_fails_leaves_chunks_for_later(owner: Person, caplog):
    owner.write("memory/a.md", "first\n!fail rate_limit")

    embedded = embed_pending()
    owner.write("memory/a.md", "first")
    again = embed_pending()

    assert (embedded, again, count_pending()) == (0, 1, 0)
    assert "chunks have no embedding, search goes by words" in caplog.messages


def test_a_text_that_the_model_refuses_keeps_no_other_from_its_embedding(owner: Person):
    owner.write("memory/a.md", "sailor\n!fail bad_request")
    owner.write("memory/b.md", "sailboat")

    embed_pending()

    assert count_pending() == 0
    assert owner.sources("sailing") == ["memory/b.md"]
    assert set(owner.sources("sailor")) == {"memory/a.md", "memory/b.md"}


def test_embeddings_are_little_endian_floats_and_outlive_a_reindex(owner: Person):
    owner.write("memory/a.md", "sailor")
    embed_pending()
    (vector,) = get_embedder(MODEL).embed(["sailor"], is_query=False, timeout_seconds=1.0)

    stored = bytes(MemoryChunk.objects.get().embedding or b"")
    reindex()

    length = math.sqrt(sum(number * number for number in vector))
    assert struct.unpack(f"<{len(vector)}f", stored) == pytest.approx(
        [number / length for number in vector]
    )
    assert bytes(MemoryChunk.objects.get().embedding or b"") == stored
    assert count_pending() == 0


def test_what_stays_the_same_in_a_document_keeps_its_embedding(owner: Person, configure: Configure):
    configure("memory", embedding_model=MODEL, chunk_size=200, chunk_overlap=0)
    owner.write("memory/a.md", "\n".join(["x" * 99] * 4))
    embed_pending()

    owner.write("memory/a.md", "\n".join(["x" * 99] * 4 + ["more"]))

    assert MemoryChunk.objects.count() == 3
    assert count_pending() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_written_is_embedded_without_being_asked(configure: Configure):
    configure("memory", embedding_model=MODEL)

    write_document("ada", "MEMORY.md", "sailor", actor="test")

    while count_pending():
        time.sleep(0.01)
    assert MemoryChunk.objects.get().embedding_model == MODEL
