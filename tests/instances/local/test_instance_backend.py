"""The API of `manage.py instance_backend`, as a Starport on another machine sees it."""

import json
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.instances.local.machine import KEY, Machine, lives, running_machine, until
from tests.server import clean_environment, run_manage, start_manage

MISSING = "0123abcd-nobody"


def test_it_does_not_start_without_a_key(tmp_path: Path):
    environment = clean_environment(tmp_path, ANTHROPIC_API_KEY="a key of something else")

    ended = run_manage("instance_backend", "--addr", "0.0.0.0:0", environment=environment)

    assert ended.returncode == 1
    assert ended.stderr.startswith("instance_backend: set STARPOD_INSTANCE_API_KEY")
    assert ended.stdout == ""


def test_it_does_not_start_with_a_key_that_can_be_guessed(tmp_path: Path):
    environment = clean_environment(tmp_path, STARPOD_INSTANCE_API_KEY="fifteen-letters")

    ended = run_manage("instance_backend", "--addr", "127.0.0.1:0", environment=environment)

    assert ended.returncode == 1
    assert "has less than 16 characters" in ended.stderr


def test_on_an_address_that_others_reach_it_warns_of_them(tmp_path: Path):
    environment = clean_environment(tmp_path, STARPOD_INSTANCE_API_KEY=KEY)
    arguments = ("instance_backend", "--addr", "0.0.0.0:0", "--data", str(tmp_path))
    process = start_manage(*arguments, environment=environment, log_dir=tmp_path)

    until(lambda: "for http" in process.stdout() or process.popen.poll() is not None)

    assert process.stop() == 0
    assert "travel unencrypted" in process.stderr()


def test_who_guesses_keys_is_told_to_wait_and_the_key_still_counts(machine: Machine):
    # Another address of this machine, so that nobody else is told to wait.
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=machine.client.base_url, transport=elsewhere) as client:
        guesses = [
            client.get("/instances", headers={"Authorization": f"Bearer {KEY}{number}"})
            for number in range(31)
        ]
        known = client.get("/instances", headers=machine.client.headers)

    assert [answer.status_code for answer in guesses] == [401] * 30 + [429]
    assert guesses[-1].headers["Retry-After"] == "60"
    assert known.status_code == 200


def test_it_says_in_one_line_when_the_port_is_taken(machine: Machine):
    address = machine.client.base_url.netloc.decode()
    environment = clean_environment(machine.data_dir, STARPOD_INSTANCE_API_KEY=KEY)

    ended = run_manage("instance_backend", "--addr", address, environment=environment)

    assert ended.returncode == 1
    assert ended.stderr == f"instance_backend: cannot listen on {address}: Address already in use\n"


@pytest.mark.parametrize(
    "authorization", ["", KEY, "Bearer", f"Bearer {KEY}x", f"Basic {KEY}", "Bearer é"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/instances"),
        ("POST", "/instances"),
        ("DELETE", f"/instances/{MISSING}"),
        ("GET", f"/instances/{MISSING}/logs"),
        ("GET", "/elsewhere"),
    ],
)
def test_every_request_needs_the_key(machine: Machine, authorization: str, method: str, path: str):
    url = machine.client.base_url.join(path)
    headers = {b"Authorization": authorization.encode()} if authorization else {}

    answer = httpx.request(method, url, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {"error": "the key of this backend is needed"}


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/restart"),
        ("GET", "/health"),
        ("GET", "/logs"),
        ("GET", "/ssh"),
    ],
)
@pytest.mark.parametrize("instance_id", [MISSING, "%2e%2e", ".supervisor", "a%20b", "x" * 129])
def test_what_is_not_there_is_404(machine: Machine, method: str, part: str, instance_id: str):
    answer = machine.client.request(method, f"/instances/{instance_id}{part}")

    assert answer.status_code == 404
    assert answer.json() == {"error": "no such instance"}


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        (b"{", 400, "the body: Invalid JSON"),
        (b"[]", 422, "the body: "),
        (b'{"name": 7}', 422, "name: "),
        (b'{"region": ["eu"]}', 422, "region: "),
        (b'{"name": "a\\nb"}', 422, "name must be"),
        (json.dumps({"region": "x" * 101}).encode(), 422, "region must be"),
        (json.dumps({"name": "x" * 20_000}).encode(), 413, "the body may have"),
    ],
)
def test_a_bad_request_makes_no_instance(
    machine: Machine, body: bytes, status: int, complaint: str
):
    before = machine.listed()

    answer = machine.client.post("/instances", content=body)

    assert answer.status_code == status
    assert answer.json()["error"].startswith(complaint)
    assert machine.listed() == before


def test_other_methods_and_paths_are_refused_in_json(machine: Machine):
    wrong_method = machine.client.put("/instances")
    wrong_path = machine.client.get("/instance")

    assert (wrong_method.status_code, wrong_path.status_code) == (405, 404)
    assert wrong_method.json() == {"error": "Method Not Allowed"}
    assert wrong_path.json() == {"error": "Not Found"}


def test_there_is_no_ssh_and_it_says_what_to_do_instead(machine: Machine, anna: str):
    answer = machine.client.get(f"/instances/{anna}/ssh")

    assert answer.status_code == 501
    assert "log in to the machine itself" in answer.json()["error"]


@pytest.mark.parametrize("tail", ["-1", "x", "1.5", "²"])
def test_tail_must_be_a_number(machine: Machine, anna: str, tail: str):
    answer = machine.client.get(f"/instances/{anna}/logs", params={"tail": tail})

    assert answer.status_code == 400
    assert answer.json() == {"error": "tail must be a whole number"}


def test_a_log_is_followed_through_a_restart(machine: Machine, anna: str):
    known = len(machine.log(anna))
    with machine.client.stream("GET", f"/instances/{anna}/logs?tail=1") as answer:
        entries = map(json.loads, answer.iter_lines())
        followed = [next(entries)]

        machine.do(anna, "restart")

        while not followed[-1]["message"].startswith("starting") or len(followed) == 1:
            followed.append(next(entries))
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert followed[1:] == machine.log(anna)[known : known + len(followed) - 1]


def test_a_log_that_is_followed_ends_with_its_instance(machine: Machine):
    instance_id = machine.create()
    with machine.client.stream("GET", f"/instances/{instance_id}/logs") as answer:
        lines = answer.iter_lines()
        first = next(lines)

        machine.kill(instance_id)

        assert [json.loads(line)["message"] for line in (first, *lines)][-1] == "stopped"


def test_a_starport_elsewhere_manages_this_machine(
    machine: Machine, anna: str, start_server: StartServer
):
    elsewhere = start_server(
        env={
            "STARPOD_INSTANCE_BACKEND_URL": str(machine.client.base_url),
            "STARPOD_INSTANCE_API_KEY": KEY,
            "STARPORT_INSTANCE_POLL_SECONDS": "86400",
        },
        workers=0,
    )

    restarted = elsewhere.client.post(f"/api/instances/{anna}/restart")
    machine.until_it_answers(anna)
    seen = elsewhere.client.get("/api/instances").json()
    log = elsewhere.client.get(f"/api/instances/{anna}/logs", params={"tail": 1}).text

    assert restarted.is_success, restarted.text
    assert (anna, "Anna", "running") in [(one["id"], one["name"], one["status"]) for one in seen]
    assert elsewhere.client.get(f"/api/instances/{anna}/health").json()["memory_mb"] > 20
    assert "starting on port" in log


def test_it_leaves_in_good_order_and_comes_back_with_what_ran(tmp_path: Path):
    with running_machine(tmp_path) as machine:
        running, paused = machine.create_running(name="runs"), machine.create(name="rests")
        machine.do(paused, "pause")
        pid = machine.pid(running)
        with machine.client.stream("GET", f"/instances/{running}/logs") as answer:
            lines = answer.iter_lines()
            next(lines)

            exit_code = machine.process.stop()

            assert list(lines) == []  # the stream came to its end
        assert exit_code == 0
        assert not lives(pid)
        assert "Traceback" not in machine.process.stderr()
        assert KEY not in machine.process.stderr()
    with running_machine(tmp_path) as machine:
        machine.until_it_answers(running)
        assert machine.listed() == {running: "running", paused: "paused"}
