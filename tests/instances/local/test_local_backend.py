"""What becomes of instances that are processes of this machine. Seen through their backend."""

import signal
import stat
import time

import httpx
import psutil

from tests.instances.local.machine import PARENTS_OWN, Machine, answers, chat, lives, until


def test_a_new_one_is_creating_until_it_answers_and_then_running(machine: Machine):
    before = int(time.time())

    made = machine.client.post("/instances", json={"name": "Näme of it", "region": "eu"}).json()

    assert made["status"] == "creating"
    assert (made["name"], made["region"], made["health"]) == ("Näme of it", "eu", None)
    assert made["id"].endswith("-n-me-of-it")
    assert before <= made["created_at"] <= made["updated_at"]
    machine.until_status(made["id"], "running")
    assert answers(made["web_url"])
    machine.kill(made["id"])


def test_people_talk_to_each_with_a_key_of_its_own(machine: Machine, anna: str):
    bert = machine.create_running()

    with machine.member(anna) as at_anna, machine.member(bert) as at_bert:
        answer = chat(at_anna, "good morning")
        crossed = httpx.get(f"{at_bert.base_url}/api/sessions", headers=at_anna.headers)

        assert "good morning" in answer["text"]
        assert crossed.status_code == 401
        assert at_bert.get("/api/sessions").json() == []
    machine.kill(bert)


def test_nobody_gets_in_without_a_key(machine: Machine, anna: str):
    url = machine.get(anna)["web_url"]

    refused = [
        httpx.post(f"{url}/api/chat", json={"text": "hello"}),
        httpx.post(f"{url}/api/v1/runs", json={"goal": "hello"}),
        httpx.get(f"{url}/v1/runs"),
        httpx.get(f"{url}/metrics"),
    ]

    assert {answer.status_code for answer in refused} == {401}


def test_it_gets_nothing_that_belongs_to_the_program_that_started_it(machine: Machine, anna: str):
    variables = psutil.Process(machine.pid(anna)).environ()

    assert [name for name in PARENTS_OWN if name in variables] == []
    assert "of-the-parent" not in "\n".join(variables.values())
    assert variables["STARPORT_MODELS"] == "scripted:scripted"
    assert (machine.folder / anna / "data" / "starport.sqlite3").exists()


def test_the_key_that_its_start_screen_shows_is_written_nowhere(machine: Machine, anna: str):
    written = (
        b"".join(path.read_bytes() for path in machine.folder.rglob("*") if path.is_file())
        + machine.process.stdout_path.read_bytes()
    )

    assert b"sp_live_" not in written
    assert b"Admin key" not in written


def test_its_files_are_for_their_owner_alone(machine: Machine, anna: str):
    home = machine.folder / anna

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}

    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert stat.S_IMODE(machine.folder.stat().st_mode) == 0o700


def test_health_tells_how_it_fares(machine: Machine, anna: str):
    before = int(time.time())

    health = machine.get(anna, "/health")

    assert set(health) == {
        "cpu_percent", "memory_mb", "disk_mb", "last_heartbeat", "uptime_secs",
    }  # fmt: skip
    assert health["cpu_percent"] >= 0
    assert health["memory_mb"] > 20
    assert before <= health["last_heartbeat"] <= time.time()
    assert health["uptime_secs"] >= 0


def test_pausing_keeps_its_data_and_its_address(machine: Machine, anna: str):
    url = machine.get(anna)["web_url"]
    with machine.member(anna) as member:
        session_id = chat(member, "remember this")["session_id"]
        pid = machine.pid(anna)

        machine.do(anna, "pause")

        assert machine.get(anna)["status"] == "paused"
        assert not lives(pid)
        assert not answers(url)
        machine.do(anna, "restart")
        machine.until_it_answers(anna)
        assert machine.get(anna)["web_url"] == url
        assert machine.get(anna)["status"] == "running"
        sessions = member.get("/api/sessions").json()
        assert session_id in [session["id"] for session in sessions]


def test_pausing_twice_is_pausing_once(machine: Machine):
    instance_id = machine.create()

    machine.do(instance_id, "pause")
    machine.do(instance_id, "pause")

    assert machine.listed()[instance_id] == "paused"
    machine.kill(instance_id)


def test_one_that_died_keeps_the_heartbeat_it_had(machine: Machine, anna: str):
    alive = machine.get(anna, "/health")
    machine.signal(anna, signal.SIGKILL)
    until(lambda: machine.get(anna, "/health")["uptime_secs"] == 0)

    first = machine.get(anna, "/health")
    until(lambda: time.time() > first["last_heartbeat"] + 2)
    second = machine.get(anna, "/health")

    assert first["last_heartbeat"] <= alive["last_heartbeat"] + 1
    assert second["last_heartbeat"] == first["last_heartbeat"]
    assert (second["cpu_percent"], second["memory_mb"]) == (0, 0)
    # By this the monitor knows that it is to be looked at, and restarted.
    assert machine.listed()[anna] == "running"
    machine.do(anna, "restart")
    machine.until_it_answers(anna)
    assert machine.get(anna, "/health")["last_heartbeat"] > second["last_heartbeat"]


def test_one_that_hangs_has_no_heartbeat_and_is_restarted_all_the_same(machine: Machine, anna: str):
    pid = machine.pid(anna)
    machine.signal(anna, signal.SIGSTOP)
    hanging_since = int(time.time())
    until(lambda: time.time() > hanging_since + 2)

    assert machine.get(anna, "/health")["last_heartbeat"] <= hanging_since + 1
    assert machine.get(anna)["status"] == "running"
    machine.do(anna, "restart")
    machine.until_it_answers(anna)
    assert not lives(pid)


def test_killing_one_that_hangs_leaves_nothing_of_it(machine: Machine):
    instance_id = machine.create_running(name="gone soon")
    pid = machine.pid(instance_id)
    machine.signal(instance_id, signal.SIGSTOP)

    machine.kill(instance_id)

    assert not lives(pid)
    assert instance_id not in machine.listed()
    assert machine.client.get(f"/instances/{instance_id}").status_code == 404
    assert not [path for path in machine.folder.iterdir() if instance_id in path.name]


def test_one_that_cannot_begin_is_an_error_and_its_log_says_why(machine: Machine):
    instance_id = machine.create()
    machine.do(instance_id, "pause")  # before it came to its data
    (machine.folder / instance_id / "data" / "starport.sqlite3").write_bytes(b"no database" * 999)

    machine.do(instance_id, "restart")

    machine.until_status(instance_id, "error")
    assert "before it answered" in machine.get(instance_id)["error_message"]
    assert "database" in machine.log(instance_id)[-1]["message"]
    machine.kill(instance_id)


def test_its_log_tells_when_it_was_started_and_stopped(machine: Machine, anna: str):
    machine.do(anna, "restart")
    machine.until_it_answers(anna)

    entries = machine.log(anna)

    messages = [entry["message"] for entry in entries]
    assert messages[-3:] == ["draining", "stopped", messages[0]]
    assert messages[0].startswith("starting on port")
    assert all(entry["level"] == "info" and entry["timestamp"] > 0 for entry in entries[-3:])
    assert machine.log(anna, tail=2) == entries[-2:]
