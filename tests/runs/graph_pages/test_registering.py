"""Graphs registered and retired in the admin."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditRecord
from runs.models import GraphVersion
from tests.factories import make_user

pytestmark = pytest.mark.django_db

GRAPHS = "/admin/runs/graphversion/"
YAML = """
ir_version: "1.1.0"
id: mine
nodes:
  - {id: a, kind: echo}
"""


def test_a_pasted_document_becomes_the_current_version_and_is_audited(admin, admin_client):
    answer = admin_client.post(f"{GRAPHS}register/", {"document": YAML})

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{GRAPHS}graph/mine"
    stored = GraphVersion.objects.get(graph_id="mine")
    assert (stored.is_current, stored.source, stored.registered_by) == (True, "admin", admin.pk)
    assert AuditRecord.objects.filter(fact_kind="graph_registered", actor=admin.pk).exists()


def test_a_file_counts_more_than_the_text(admin_client):
    document = {"ir_version": "1.1.0", "id": "filed", "nodes": [{"id": "a", "kind": "echo"}]}
    upload = SimpleUploadedFile("filed.json", json.dumps(document).encode())

    admin_client.post(f"{GRAPHS}register/", {"document": YAML, "file": upload})

    assert list(GraphVersion.objects.values_list("graph_id", flat=True)) == ["filed"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (YAML.replace("echo", "nope"), ["/nodes/0/kind", "unknown node kind", "'nope'", "one of"]),
        (
            YAML + "rules: [{id: r, when: {node: a}, then: [{kind: goto}]}]\nmore: 1\n",
            ["/rules/0/then/0/target", "Field required", "/more", "2 problems"],
        ),
        (YAML.replace("mine", "agent"), ["/id", "a built-in graph has this id"]),
        ("a: b: c", ["not YAML", "line 1, column 5"]),
        ("{", ["not JSON"]),
        (" ", ["there is no document"]),
        ("- just\n- a list", ["valid dictionary"]),
        ("#" * (1024 * 1024 + 1), ["too long"]),
    ],
)
def test_a_bad_document_comes_back_with_its_problems_and_nothing_is_stored(
    admin_client, text_of, text, told
):
    answer = admin_client.post(f"{GRAPHS}register/", {"document": text})

    page = text_of(answer)
    for words in told:
        assert words in page
    assert "Nothing was registered" in page
    assert text.strip() in page or " ".join(text.split()) in page
    assert not GraphVersion.objects.exists()


def test_a_file_that_is_no_text_is_refused(admin_client, text_of):
    upload = SimpleUploadedFile("x.yaml", b"\xff\xfe\x00")

    assert "no UTF-8 text" in text_of(admin_client.post(f"{GRAPHS}register/", {"file": upload}))


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_whoever_may_not_manage_settings_may_not_register_or_retire(client, role):
    client.force_login(make_user(role="admin"))
    client.post(f"{GRAPHS}register/", {"document": YAML})
    client.force_login(make_user(role=role))

    for path in ("register/", "retire/"):
        sent = {"document": YAML.replace("mine", "other"), "graph_id": "mine"}
        assert client.post(f"{GRAPHS}{path}", sent).status_code in (302, 403)

    assert list(GraphVersion.objects.values_list("graph_id", "is_current")) == [("mine", True)]


def test_a_retired_graph_stays_to_be_looked_at(admin_client, text_of):
    admin_client.post(f"{GRAPHS}register/", {"document": YAML})

    admin_client.post(f"{GRAPHS}retire/", {"graph_id": "mine"})

    assert not GraphVersion.objects.get(graph_id="mine").is_current
    assert "mine retired" in text_of(admin_client.get(GRAPHS))
    assert admin_client.get(f"{GRAPHS}graph/mine").status_code == 200


def test_a_version_that_behaves_otherwise_has_another_hash_in_the_api(admin_client):
    def listed() -> str:
        rows = admin_client.get("/v1/graphs").json()
        return str(next(row["graph_hash"] for row in rows if row["graph_id"] == "mine"))

    told = YAML.replace("kind: echo", "kind: llm, config: {prompt: one}")
    hashes = []
    for text in (told, told.replace("prompt: one", "prompt: other"), f"# a comment\n{told}"):
        admin_client.post(f"{GRAPHS}register/", {"document": text})
        hashes.append(listed())

    assert hashes[0] == hashes[2] != hashes[1]


def test_built_in_graphs_are_read_only(admin_client, text_of):
    answer = admin_client.post(f"{GRAPHS}retire/", {"graph_id": "approval"}, follow=True)

    page = text_of(answer)
    assert "A built-in graph cannot be retired." in page
    assert "built-in, read only" in page
    assert "Retire this graph" not in page


def test_a_new_version_begins_from_the_current_one(admin_client, text_of):
    admin_client.post(f"{GRAPHS}register/", {"document": YAML})

    form = text_of(admin_client.get(f"{GRAPHS}register/?from=mine"))

    assert "id: mine nodes: - id: a kind: echo" in form
