"""Artifacts in an S3-like bucket instead of the data folder."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from project.artifact_store import artifact_storage
from tests.conftest import StartServer
from tests.object_store import ObjectStore
from tests.runs.graph_api.attaching import artifacts_of, attach, put_file
from tests.runs.graph_api.client import GraphClient
from tests.server import RunningServer


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with ObjectStore("bucket") as store:
        yield store


@pytest.fixture
def start(start_server: StartServer, store: ObjectStore):
    def start(**options: bool) -> RunningServer:
        env = {
            "STARPORT_ARTIFACTS_URL": f"s3://bucket/some/prefix?endpoint={store.url}",
            "STARPORT_S3_ACCESS_KEY": "access",
            "STARPORT_S3_SECRET_KEY": "secret",
        }
        return start_server(env=env, **options)

    return start


def test_a_bucket_keeps_artifacts_until_their_runs_are_pruned(start, store: ObjectStore):
    server: RunningServer = start()
    graphs = GraphClient(server.client)
    run_id = attach(graphs, path=put_file(server, "a.bin", b"x" * 300_000))

    [artifact] = artifacts_of(graphs, run_id)
    answer = graphs.client.get(f"/v1/artifacts/{artifact['artifact_id']}")

    digest = artifact["content_hash"]
    assert answer.content == b"x" * 300_000
    assert list(store.objects) == [f"some/prefix/{digest[:2]}/{digest[2:4]}/{digest}"]
    assert not Path(server.data_dir, "artifacts").exists()
    assert "artifact store" in server.manage("doctor").stdout
    pruned = server.manage("runs", "prune", "--older-than", "0s", "--confirm")
    assert pruned.returncode == 0, pruned.stderr
    assert store.objects == {}


def test_a_blob_that_is_lost_or_damaged_is_an_error_without_details(start, store: ObjectStore):
    server: RunningServer = start(may_fail=True)
    graphs = GraphClient(server.client)
    run_id = attach(graphs, path=put_file(server, "a.txt", b"whole"))
    [artifact] = artifacts_of(graphs, run_id)
    path = f"/v1/artifacts/{artifact['artifact_id']}"
    [key] = store.objects

    store.objects[key] = b"w00le"
    damaged = graphs.client.get(path)
    del store.objects[key]
    lost = graphs.client.get(path)

    for answer in (damaged, lost):
        assert answer.status_code == 500
        assert answer.json() == {"detail": "internal server error"}
    assert "ArtifactCorrupt" in server.errors()
    assert "ArtifactMissing" in server.errors()
    store.objects[key] = b"whole"
    assert graphs.client.get(path).content == b"whole"


def test_orphans_in_a_bucket_are_swept(start, store: ObjectStore):
    server: RunningServer = start(workers=0)
    digest = "ab" * 32
    store.objects[f"some/prefix/ab/ab/{digest}"] = b"nobody's"
    store.objects["some/other/thing"] = b"not ours"

    def sweep() -> str:
        return server.manage("runs", "prune", "--orphans", "--confirm").stdout

    assert sweep() == "deleted 0 blobs of no run\n"
    store.modified -= timedelta(days=2)
    assert sweep() == "deleted 1 blobs of no run\n"
    assert list(store.objects) == ["some/other/thing"]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("bucket", "must begin with s3://"),
        ("ftp://bucket", "must begin with s3://"),
        ("s3://", "names no bucket"),
        ("s3://A_Bucket", "names no bucket"),
        ("s3://key:secret@bucket", "must not hold credentials"),
        ("s3://bucket/../other", "has a prefix that is none"),
        ("s3://bucket/a//b", "has a prefix that is none"),
        ("s3://bucket?endpoint=minio:9000", "has an endpoint that is not"),
        ("s3://bucket?endpoint=http://minio/path", "has an endpoint that is not"),
        ("s3://bucket?endpoint=http://a:b@minio", "has an endpoint that is not"),
        ("s3://bucket?endpoint=http://minio:port", "has an endpoint that is not"),
        ("s3://bucket?region=Mars!", "has a region that is none"),
        ("s3://bucket?region=a&region=b", "names the region twice"),
        ("s3://bucket?regoin=a", "has 'regoin'"),
        ("s3://bucket#part", "has a fragment"),
        ("s3://[bucket", "is not a URL"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(url: str, complaint: str):
    with pytest.raises(ImproperlyConfigured, match=r"^STARPORT_ARTIFACTS_URL ") as refused:
        artifact_storage(url, folder=Path("artifacts"), access_key="", secret_key="")

    assert complaint in str(refused.value)
    assert "secret" not in str(refused.value)


def test_half_of_a_pair_of_keys_is_refused():
    with pytest.raises(ImproperlyConfigured, match="set both or none"):
        artifact_storage("", folder=Path("artifacts"), access_key="access", secret_key="")
