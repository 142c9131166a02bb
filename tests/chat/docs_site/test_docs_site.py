"""/docs: the documentation, rendered and searchable, for anybody."""

import re

import pytest
from django.test import Client

from chat.docs_site import library

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Client:
    return Client()


def test_the_front_page_lists_every_page(reader: Client):
    for path in ("/docs", "/docs/"):
        text = reader.get(path).content.decode()

        assert all(f'href="{page.url}"' in text for page in library.pages().values())


def test_every_page_opens_and_its_links_lead_somewhere(reader: Client):
    for page in library.pages().values():
        answer = reader.get(page.url)

        assert answer.status_code == 200, page.path
        for target in re.findall(r'href="(/docs[^"#]*)', answer.content.decode()):
            answer = reader.get(target)
            assert answer.status_code == 200, (page.path, target)
            answer.close()


def test_a_page_is_found_under_its_files_name_as_well(reader: Client):
    for path in ("/docs/howto/running", "/docs/howto/running.md", "/docs/howto/running.html"):
        assert "<h1" in reader.get(path).content.decode()


def test_what_is_no_page_is_sent_as_it_is(reader: Client):
    answer = reader.get("/docs/reference/openapi.json")

    assert answer.headers["Content-Type"] == "application/json"
    assert b"".join(answer).startswith(b"{")


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/../manage.py", "/docs/..%2fmanage.py", "/docs/howto/x"]
)
def test_there_is_nothing_beside_the_documentation(reader: Client, path: str):
    answer = reader.get(path)

    assert answer.status_code == 404
    assert "DJANGO_SETTINGS_MODULE" not in answer.content.decode()


def test_search_finds_the_pages_with_all_words_and_marks_them(reader: Client):
    text = reader.get("/docs", {"q": "merkle root"}).content.decode()

    assert 'href="/docs/architecture"' in text
    assert re.search("<mark>(merkle|root)</mark>", text, re.IGNORECASE)


@pytest.mark.parametrize("query", ["zebra-crossing", "<script>alert(1)</script>", "?*(&%", " "])
def test_any_query_is_answered_and_quoted_safely(reader: Client, query: str):
    answer = reader.get("/docs", {"q": query})

    assert answer.status_code == 200
    assert "<script" not in answer.content.decode()


def test_nothing_but_reading_is_possible(reader: Client):
    assert reader.post("/docs").status_code == 405
