"""`config/triggers.yaml`: stored as a whole when a server starts, or refused as a whole."""

from pathlib import Path

import pytest

from runs.errors import TriggersFileInvalid
from runs.models import Trigger
from runs.triggers.file import apply_triggers_file
from tests.conftest import StartServer
from tests.runs.triggers.pages import AdminPages, Hook
from tests.server import RunningServer, ServerFailed

FILE = """\
manual:
  - {id: report, graph_id: agent, params: {goal: Write the report}, description: by hand}
cron:
  - {id: nightly, expr: "0 3 * * *", tz: Europe/Berlin, graph_id: agent, params: {goal: Tidy up}}
webhook:
  - id: tickets
    path: /hooks/tickets
    graph_id: agent
    current_secret_env: TICKETS_SECRET
    nonce_lru_size: 500
"""


def write(server: RunningServer, text: str) -> None:
    folder = server.data_dir / "config"
    folder.mkdir(exist_ok=True)
    (folder / "triggers.yaml").write_text(text)


def test_the_file_is_what_there_is_after_each_start(start_server: StartServer):
    server = start_server(env={"TICKETS_SECRET": "s3cret"}, workers=0)
    server.stop()
    write(server, FILE)
    server.start_again()
    first = {row["trigger_id"]: row for row in server.client.get("/v1/triggers").json()}
    accepted = Hook(server.client.base_url, "tickets", "s3cret").deliver({"goal": "hello"})

    server.stop()
    write(server, FILE.replace("webhook:", "webhook: []\nx:").partition("x:")[0])
    server.start_again()
    second = {row["trigger_id"]: row for row in server.client.get("/v1/triggers").json()}
    with AdminPages(server) as pages:
        page = pages.get("/admin/runs/crontrigger/")

    server.stop()
    write(server, FILE.replace("0 3 * * *", "0 25 * * *"))
    with pytest.raises(ServerFailed) as refused:
        server.start_again()

    assert {name: row["kind"] for name, row in first.items()} == {
        "report": "manual",
        "nightly": "cron",
        "tickets": "webhook",
    }
    assert first["nightly"]["next_fire_at"]
    assert accepted.status_code == 200
    assert [name for name, row in second.items() if not row["enabled"]] == ["tickets"]
    assert "nightly" in page
    assert "serve: config/triggers.yaml /cron/0/expr: bad hour" in str(refused.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("0 3 * * *", "61 * * * *", "/cron/0/expr: bad minute in '61 * * * *'"),
        ("Europe/Berlin", "Europe/Atlantis", "/cron/0/tz: 'Europe/Atlantis' is no IANA time zone"),
        ("{goal: Tidy up}", "{}", "/cron/0/params: goal must not be blank"),
        (
            "{goal: Tidy up}",
            '{goal: "half \\uD800"}',
            "params: goal: must not contain lone",
        ),
        ("{goal: Tidy up}", "{goal: a, n: .inf}", "/cron/0/params: inputs: numbers must be finite"),
        ("{goal: Tidy up}", "{goal: a, n: 9223372036854775808}", "inputs: integers must fit"),
        ("graph_id: agent\n", "graph_id: gone\n", "/webhook/0/graph_id: there is no graph 'gone'"),
        ("TICKETS_SECRET", "UNSET_SECRET", "/webhook/0/current_secret_env: the environment of"),
        ("id: tickets", "id: nightly", "/webhook/0/id: 'nightly' stands at /cron/0 already"),
        ("path: /hooks/tickets", "path: /../x", "/webhook/0/path: expected a path such as"),
        ("path: /hooks/tickets", "pth: x", "/webhook/0/path: field required"),
        ("cron:", "crons:", "/crons: extra inputs are not permitted"),
        ("nonce_lru_size: 500", "current_secret: x", "/webhook/0/current_secret: extra inputs"),
        ("nonce_lru_size: 500", "timestamp_window_seconds: 0", "/webhook/0/timestamp_window_sec"),
        ("nonce_lru_size: 500", "mapping: {goal: '{{'}", "/webhook/0/mapping: goal: "),
        ("manual:", "manual: [", "is not YAML"),
        (FILE, "- just a list", "/: input should be"),
    ],
)
def test_a_bad_file_is_refused_with_the_place_and_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, complaint: str
):
    monkeypatch.setenv("TICKETS_SECRET", "s3cret")
    path = tmp_path / "triggers.yaml"
    assert old in FILE
    path.write_text(FILE.replace(old, new))

    with pytest.raises(TriggersFileInvalid) as refused:
        apply_triggers_file(path)

    assert str(refused.value).startswith("config/triggers.yaml ")
    assert complaint in str(refused.value)
    assert not Trigger.objects.exists()


@pytest.mark.django_db
def test_an_id_from_the_admin_is_not_taken_over(tmp_path: Path):
    Trigger.objects.create(trigger_id="report", kind="manual", graph_id="agent")
    path = tmp_path / "triggers.yaml"
    path.write_text("manual: [{id: first}, {id: report}]")

    with pytest.raises(TriggersFileInvalid, match="/manual/1/id: 'report' is the id of a trigger"):
        apply_triggers_file(path)

    assert Trigger.objects.count() == 1
