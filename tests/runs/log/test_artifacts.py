"""Blobs live exactly as long as something refers to them."""

import threading

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection

from project.lib.db import write_transaction
from runs import artifacts
from runs.errors import InvalidInput
from runs.event_types import ArtifactWritten, SideEffectRecorded, ToolCallCompleted
from runs.log.prune import prune
from runs.log.redact import redact_event
from runs.models import ArtifactRef, ExternalPayload, Run
from runs.services.artifacts import keep_artifact
from tests.runs.log.test_validate import HEALTHY, answer, write_run

pytestmark = pytest.mark.django_db


def make_run(**fields):
    return Run.objects.create(goal="goal", **fields)


def keep(run, data=b"hello", *, path="3", name="a.txt", content_type="text/plain"):
    return keep_artifact(run.id, path, 3, name, content_type, data, {"of": "test"})


def is_kept(digest):
    try:
        artifacts.get(digest)
    except artifacts.ArtifactMissing:
        return False
    return True


def blob_path(digest):
    return storages["artifacts"].path(f"{digest[:2]}/{digest[2:4]}/{digest}")


# Keeping


def test_a_node_that_is_executed_again_finds_what_it_kept():
    run = make_run()

    first, again, other = keep(run), keep(run), keep(run, path="4")

    assert again.pk == first.pk != other.pk
    assert (first.step, first.size, first.metadata) == (3, 5, {"of": "test"})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("/etc/../passwd", "passwd"),
        ("C:\\Users\\ada\\plan.txt", "plan.txt"),
        ("folder/", "folder"),
        ("..", "artifact"),
        ("", "artifact"),
        ("a\r\nSet-Cookie: b\x00.txt", "aSet-Cookie: b.txt"),
        ("exe.\u202etxt", "exe.txt"),
        ("\ud800lone.txt", "lone.txt"),
        ("naïve \u65e5\u672c.txt", "naïve \u65e5\u672c.txt"),
        ("x" * 300, "x" * 255),
    ],
)
def test_a_name_is_a_bare_file_name(given, kept):
    assert keep(make_run(), name=given).name == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", "application/octet-stream"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ('text/plain; name="a b"', 'text/plain; name="a b"'),
        ("image/svg+xml", "image/svg+xml"),
    ],
)
def test_a_content_type_is_kept_as_it_is(given, kept):
    assert keep(make_run(), content_type=given).content_type == kept


@pytest.mark.parametrize(
    "nonsense",
    ["text", "text/", "text/plain\r\nX: y", "text/plain;", "a b/c", "text/pläin", "a/" + "b" * 200],
)
def test_what_is_no_content_type_is_refused(nonsense):
    with pytest.raises(InvalidInput, match="content_type"):
        keep(make_run(), content_type=nonsense)


def test_more_bytes_than_the_limit_are_refused(settings):
    settings.STARPORT_ARTIFACT_MAX_BYTES = 5

    assert keep(make_run(), b"12345").size == 5
    with pytest.raises(InvalidInput, match="may have 5 bytes, this one has 6"):
        keep(make_run(), b"123456")


def test_sha_256_names_new_artifacts_and_old_ones_stay_readable(settings):
    old = keep(make_run()).digest
    settings.STARPORT_FIPS = True

    new = keep(make_run()).digest

    assert old == "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f"
    assert new == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert artifacts.get(old) == artifacts.get(new) == b"hello"


def test_a_blob_that_was_damaged_is_written_anew():
    digest = artifacts.put(b"whole")
    with open(blob_path(digest), "wb") as file:
        file.write(b"cut")

    with pytest.raises(artifacts.ArtifactCorrupt):
        artifacts.get(digest)
    artifacts.put(b"whole")

    assert artifacts.get(digest) == b"whole"


def test_a_write_that_fails_leaves_no_part_of_a_file():
    class Broken(ContentFile):  # type: ignore[type-arg]  # cannot be given one at run time
        def chunks(self, chunk_size=None):
            yield b"some"
            raise OSError("no room")

    storage = storages["artifacts"]
    with pytest.raises(OSError, match="no room"):
        storage.save("broken/file", Broken(b"whole"))

    assert storage.listdir("broken") == ([], [])


# Deleting


def test_pruning_a_run_deletes_what_only_it_refers_to():
    run, other = make_run(), make_run()
    alone, shared = keep(run, b"alone").digest, keep(run, b"shared").digest
    keep(other, b"shared")

    list(prune([run.id]))

    assert [ref.run_id for ref in ArtifactRef.objects.all()] == [other.id]
    assert (is_kept(alone), is_kept(shared)) == (False, True)
    list(prune([other.id]))
    assert not is_kept(shared)


def test_a_blob_serves_payloads_and_artifacts_until_neither_needs_it():
    result = ToolCallCompleted("c1", {"result": "x" * 70_000}, 0)
    logged = write_run([*HEALTHY[:4], result, *HEALTHY[5:]])
    digest = ExternalPayload.objects.get(run_id=logged.id).digest
    run = make_run()
    assert keep(run, artifacts.get(digest)).digest == digest

    list(prune([run.id]))
    assert is_kept(digest)
    run = make_run()
    keep(run, artifacts.get(digest))
    list(prune([logged.id]))
    assert is_kept(digest)
    list(prune([run.id]))
    assert not is_kept(digest)


@pytest.mark.parametrize("seq", [5, 6])
def test_redacting_what_a_tool_attached_deletes_it(seq):
    attached = {"value": {"artifact_id": "0" * 32}}
    tail = [SideEffectRecorded("attach", attached, "c1"), *HEALTHY[4:]]
    run = write_run([*HEALTHY[:4], *tail])
    mine = keep(run, path=artifacts.path_of_call("c1"))
    other = keep(run, b"by another call", path=artifacts.path_of_call("c2"))

    redact_event(run_id=run.id, seq=seq, actor="owner", reason="private")

    assert [ref.pk for ref in ArtifactRef.objects.all()] == [other.pk]
    assert (is_kept(mine.digest), is_kept(other.digest)) == (False, True)


def test_redacting_what_a_node_wrote_deletes_it_unless_another_run_has_it():
    digests = [artifacts.content_hash(data) for data in (b"alone", b"shared")]
    written = [ArtifactWritten(3, "3", "w", each, "a.txt", "text/plain", 5) for each in digests]
    run = write_run([HEALTHY[0], *written, HEALTHY[1], answer("done")])
    keep(run, b"alone")
    keep(run, b"shared")
    other = keep(make_run(), b"shared")

    for seq in (2, 3):
        redact_event(run_id=run.id, seq=seq, actor="owner", reason="private")

    assert [ref.pk for ref in ArtifactRef.objects.all()] == [other.pk]
    assert [is_kept(digest) for digest in digests] == [False, True]


@pytest.mark.django_db(transaction=True)
def test_what_is_being_referred_to_is_not_deleted_meanwhile():
    digest = artifacts.put(b"about to be needed")
    run, is_over = make_run(), threading.Event()

    def release():
        artifacts.release([digest])
        is_over.set()
        connection.close()

    releasing = threading.Thread(target=release)
    with write_transaction():
        artifacts.put(b"about to be needed")  # finds it: nothing is written
        releasing.start()
        assert not is_over.wait(0.5)  # whoever deletes waits for this commit
        ArtifactRef.objects.create(run=run, name="a", digest=digest, size=18)
    releasing.join()

    assert is_kept(digest)
