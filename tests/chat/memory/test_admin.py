"""Documents in the admin: read, written and deleted as everywhere, on record."""

import pytest
from django.test import Client

from accounts.models import User
from chat.memory.documents import read_document, write_document
from chat.memory.search import search
from chat.models import MemoryChunk, MemoryDocument
from tests.accounts.cast import facts
from tests.runs.inspector.conftest import admin, admin_client
from tests.runs.inspector.logs import write_run

__all__ = ["admin", "admin_client"]  # fixtures

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/memorydocument/"
CHUNKS = "/admin/chat/memorychunk/"


def page_of(document: MemoryDocument) -> str:
    return f"{LIST}{document.pk}/change/"


def test_the_list_says_who_wrote_what_and_in_which_run(admin_client: Client):
    run = write_run([])
    write_document("ada", "USER.md", "Ada", actor="the actor", run_id=run.pk)
    write_document("", "SOUL.md", "Kind", actor="test")

    page = admin_client.get(LIST).content.decode()

    assert "USER.md" in page and "SOUL.md" in page and "the actor" in page
    assert f"/admin/runs/run/{run.pk}/change/" in page


def test_what_is_written_there_is_found_and_recorded(admin_client: Client, admin: User):
    added = admin_client.post(
        f"{LIST}add/", {"owner": "ada", "name": "memory/boats.md", "content": "one\r\nquinquereme"}
    )
    document = MemoryDocument.objects.get()
    changed = admin_client.post(page_of(document), {"content": "trireme"})

    assert (added.status_code, changed.status_code) == (302, 302)
    assert read_document("ada", "memory/boats.md") == "trireme"
    assert [hit.text for hit in search("ada", "trireme", 10)] == ["trireme"]
    assert search("ada", "quinquereme", 10) == []
    document.refresh_from_db()
    assert document.updated_by == str(admin.pk)
    recorded = facts("memory_document_written")
    assert [fact["document"] for fact in recorded] == ["memory/boats.md"] * 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"owner": "", "name": "../x.md", "content": "x"}, "is no document"),
        ({"owner": "", "name": "x.txt", "content": "x"}, "is no document"),
        ({"owner": "", "name": "USER.md", "content": "x"}, "is a user for USER.md"),
        ({"owner": "ada", "name": "SOUL.md", "content": "x"}, "empty for all else"),
        ({"owner": "", "name": "x.md", "content": "x" * 1_048_577}, "exceeds maximum"),
    ],
)
def test_what_no_document_can_be_is_said_beside_its_field(
    admin_client: Client, fields: dict[str, str], said: str
):
    answer = admin_client.post(f"{LIST}add/", fields)

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not MemoryDocument.objects.exists()


def test_a_document_that_is_deleted_is_found_no_more(admin_client: Client):
    one = write_document("ada", "memory/one.md", "quinquereme", actor="test")
    two = write_document("ada", "memory/two.md", "quinquereme", actor="test")

    admin_client.post(f"{LIST}{one.pk}/delete/", {"post": "yes"})
    admin_client.post(
        LIST,
        {"action": "delete_selected", "_selected_action": [two.pk], "post": "yes"},
    )

    assert search("ada", "quinquereme", 10) == []
    assert not MemoryDocument.objects.exists()
    assert len(facts("memory_document_deleted")) == 2


def test_chunks_are_read_and_not_edited(admin_client: Client):
    document = write_document("ada", "memory/one.md", "quinquereme", actor="test")
    chunk = MemoryChunk.objects.get()

    listing = admin_client.get(CHUNKS, {"document__id__exact": document.pk})
    page = admin_client.get(f"{CHUNKS}{chunk.pk}/change/")
    tried = admin_client.post(f"{CHUNKS}{chunk.pk}/change/", {"text": "changed"})

    assert "memory/one.md" in listing.content.decode()
    assert "quinquereme" in page.content.decode()
    assert tried.status_code == 403
    assert admin_client.get(f"{CHUNKS}add/").status_code == 403
