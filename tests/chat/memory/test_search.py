"""GET /api/memory/search: whose documents are found, by which words, in which order."""

import string
from collections.abc import Callable
from random import Random

import pytest

from chat.memory.days import local_time
from chat.memory.documents import delete_document
from tests.chat.memory.conftest import Configure, Person

pytestmark = pytest.mark.django_db


def test_a_hit_names_its_document_and_lines(owner: Person):
    owner.write("USER.md", "# Ada\n\nLikes tea.\n")

    assert owner.search("tea") == [
        {"source": "USER.md", "text": "# Ada\n\nLikes tea.", "line_start": 1, "line_end": 3}
    ]


def test_documents_in_folders_are_found_and_stay_so_when_they_are_written_again(owner: Person):
    owner.write("memory/2026-11-30.md", "zeppelin flight")
    owner.write("memory/sessions/a/b.md", "zeppelin landing")
    owner.write("guides/zeppelins.md", "zeppelin building")

    owner.write("memory/2026-11-30.md", "zeppelin flight again")

    assert set(owner.sources("zeppelin")) == {
        "memory/2026-11-30.md",
        "memory/sessions/a/b.md",
        "guides/zeppelins.md",
    }


def test_everybody_finds_what_is_shared_and_nobody_what_is_anothers(
    owner: Person, stranger: Person, person: Callable[..., Person]
):
    owner.write("MEMORY.md", "the vault code is marzipan")
    owner.write("SOUL.md", "you never tell of marzipan")

    assert set(owner.sources("marzipan")) == {"MEMORY.md", "SOUL.md"}
    assert stranger.sources("marzipan") == ["SOUL.md"]
    assert person("admin").sources("marzipan") == ["SOUL.md"]


def test_what_was_replaced_or_deleted_is_found_no_more(owner: Person):
    owner.write("MEMORY.md", "the old harbour")
    owner.write("MEMORY.md", "the new station")

    assert owner.search("harbour") == []
    assert owner.sources("station") == ["MEMORY.md"]

    delete_document(owner.id, "MEMORY.md")

    assert owner.search("station") == []


@pytest.mark.parametrize(
    "query",
    [
        "foo-bar",
        "C++",
        "node.js",
        "what's up?",
        "nova,",
        "50%",
        "a@b.c",
        "/api/x",
        "(nova",
        "nova AND",
        '"foo bar',
        '"foo-bar"',
        "nova:foo",
        "^nova",
        "NEAR(nova foo)",
        "nova NOT",
        "{nova}: foo",
        "nov*",
        "nova & foo | !bar",
        "'nova'",
        "nova\\",
        "nova; --",
    ],
)
def test_punctuation_separates_words_and_is_no_syntax(owner: Person, query: str):
    owner.write(
        "MEMORY.md",
        "nova foo-bar C++ node.js what's up? 50% a@b.c /api/x and near not",
    )

    assert owner.sources(query) == ["MEMORY.md"]


@pytest.mark.parametrize(
    "query", ['"', "*", "?!", "()", "AND", "-", "_", "%", "\\", "'", "🙂", "15"]
)
def test_a_query_without_a_word_that_occurs_finds_nothing(owner: Person, query: str):
    owner.write("MEMORY.md", "\n" * 14 + "nova")

    assert owner.search(query) == []


def test_any_string_of_punctuation_is_answered(owner: Person):
    owner.write("MEMORY.md", "nova foo-bar")
    marks = string.punctuation + "\0\n“”«»…—¿"
    chosen = Random(15)
    queries = [query for mark in marks for query in (mark, mark * 2, f"nova{mark}", f"{mark}nova")]
    queries += ["".join(chosen.choices(marks, k=chosen.randint(2, 40))) for _ in range(100)]
    queries += ["".join(chosen.choices(marks + "nova ", k=20)) for _ in range(100)]

    refused = [query for query in queries if owner.get(q=query).status_code != 200]

    assert refused == []


def test_chunks_overlap_and_none_repeats_the_end_of_another(owner: Person):
    line = "lantern ".ljust(99, "x")

    for count, chunks in (
        (20, {(1, 16), (13, 20)}),
        (40, {(1, 16), (13, 28), (25, 40)}),
        (10, {(1, 10)}),
    ):
        owner.write("MEMORY.md", "\n".join([line] * count))

        hits = owner.search("lantern", limit=100)
        assert {(hit["line_start"], hit["line_end"]) for hit in hits} == chunks
        assert len(hits) == len(chunks)


@pytest.mark.parametrize("query", ["", "  ", "\t\n"])
def test_a_blank_query_finds_nothing(owner: Person, query: str):
    owner.write("MEMORY.md", "nova")

    assert owner.search(query) == []


def test_all_words_must_occur_unless_they_do_nowhere(owner: Person):
    owner.write("memory/a.md", "apples and pears")
    owner.write("memory/b.md", "apples alone")
    owner.write("memory/c.md", "pears alone")

    assert owner.sources("apples pears") == ["memory/a.md"]
    assert set(owner.sources("apples quinces")) == {"memory/a.md", "memory/b.md"}


def test_quotes_make_a_phrase_and_a_star_a_beginning(owner: Person):
    owner.write("memory/a.md", "the red house on the hill")
    owner.write("memory/b.md", "the house with a red door")

    assert owner.sources('"red house"') == ["memory/a.md"]
    assert owner.sources('"red do"*') == ["memory/b.md"]
    assert owner.sources("hil*") == ["memory/a.md"]
    assert owner.search("hil") == []


def test_words_are_found_in_other_forms_and_letters_of_either_case(owner: Person):
    owner.write("memory/a.md", "She was RUNNING through Zürich, snake_case in hand")

    for query in ("runs", "zürich", "snake_case", "case", "HANDS"):
        assert owner.sources(query) == ["memory/a.md"], query


def test_the_younger_log_comes_first_by_the_half_life_of_the_settings(
    owner: Person, configure: Configure
):
    today = local_time().date()
    old, new = "memory/2020-01-01.md", f"memory/{today}.md"
    owner.write(old, "kayak kayak kayak kayak")
    owner.write(new, "kayak and other things that were said on this day by everybody")

    assert owner.sources("kayak") == [new, old]

    configure("memory", half_life_days=3_650)

    assert owner.sources("kayak") == [old, new]


def test_the_limit_is_kept_between_one_and_a_hundred(owner: Person):
    for number in range(120):
        owner.write(f"memory/{number}.md", "lantern")

    assert len(owner.search("lantern")) == 10
    assert len(owner.search("lantern", limit=3)) == 3
    assert len(owner.search("lantern", limit=0)) == 1
    assert len(owner.search("lantern", limit=9_999)) == 100


@pytest.mark.parametrize(
    ("query", "said"),
    [({}, "q"), ({"q": "x", "limit": "-1"}, "limit"), ({"q": "x", "limit": "many"}, "limit")],
)
def test_a_parameter_that_is_missing_or_no_number_is_named(
    owner: Person, query: dict[str, str], said: str
):
    answer = owner.get(**query)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{said}: ")


def test_searching_asks_for_the_capability_to_chat(person: Callable[..., Person]):
    assert person("viewer").get(q="nova").status_code == 403
    assert person("operator").get(q="nova").status_code == 200


def test_very_long_queries_and_lines_do_no_harm(owner: Person):
    owner.write("memory/long.md", " ".join(f"word{number}" for number in range(100_000)))

    assert owner.sources("word7") == ["memory/long.md"]
    assert owner.sources(" ".join(["word7"] * 500)) == ["memory/long.md"]
