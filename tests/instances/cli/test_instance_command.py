"""`manage.py instance`: what it prints, what it asks of the backend, and how it refuses."""

import getpass
import json

import pytest

from instances.management.commands.instance import SUBCOMMANDS
from tests.instances.cli.log_lines import NOON, entry
from tests.instances.conftest import Fleet
from tests.instances.faults import Answer
from tests.server import clean_environment, run_manage
from tests.terminal import on_terminal

# --- What each prints -------------------------------------------------------------------------


def test_create_tells_what_was_made(instance):
    result = instance("create", "--name", "my-bot", "-r", "us-east-1")

    (made,) = instance.backend.instances
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"Created instance {made}",
        "Name: my-bot",
        "Status: creating",
        "Region: us-east-1",
    ]


def test_create_needs_neither_name_nor_region(instance):
    result = instance("create")

    (made,) = instance.backend.instances
    assert result.stdout.splitlines() == [f"Created instance {made}", "Status: creating"]


def test_list_has_one_line_for_each_instance_in_the_order_of_the_backend(instance):
    instance.backend.add("zebra", id="bbbbbbbb-2222", region="eu-west-1")
    instance.backend.add(id="aaaaaaaa-1111", status="paused")

    result = instance("list")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "bbbbbbbb [running] zebra region=eu-west-1",
        "aaaaaaaa [paused] (unnamed) region=-",
    ]


def test_a_listed_id_is_long_enough_to_be_used(instance):
    instance.backend.add(id="instance-red")
    instance.backend.add(id="instance-blue")

    listed = [line.split()[0] for line in instance("list").stdout.splitlines()]

    assert [instance("pause", one).returncode for one in listed] == [0, 0]


def test_list_says_that_there_is_nothing_to_list(instance):
    result = instance("list")

    assert (result.returncode, result.stdout) == (0, "No instances found.\n")


def test_list_gives_programs_whole_objects(instance):
    made = instance.backend.add("bot", region="eu", created_at=NOON, updated_at=NOON + 1)

    lines = instance("list", "--json").stdout.splitlines()

    assert [json.loads(line) for line in lines] == [
        {
            "id": made.id,
            "name": "bot",
            "status": "running",
            "region": "eu",
            "created_at": NOON,
            "updated_at": NOON + 1,
            "health": None,
        }
    ]


@pytest.mark.parametrize(
    ("verb", "past", "status"),
    [
        ("kill", "Killed", "stopped"),
        ("pause", "Paused", "paused"),
        ("restart", "Restarted", "running"),
    ],
)
def test_a_command_is_carried_out_and_said(instance, verb, past, status):
    instance.backend.keeps_killed = True
    made = instance.backend.add(status="running" if verb == "pause" else "paused")

    result = instance(verb, made.id)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{past} instance {made.id}.\n"
    assert made.status == status


def test_health_has_the_five_numbers(instance):
    made = instance.backend.add(cpu_percent=7.25, memory_mb=512, disk_mb=2048, heartbeat_at=NOON)
    made.updated_at = 0  # what its uptime is counted from

    result = instance("health", made.id)

    assert (result.returncode, result.stderr) == (0, "")
    uptime = result.stdout.splitlines()[4].removeprefix("Uptime: ").removesuffix(" s")
    assert int(uptime) > NOON
    assert result.stdout.splitlines() == [
        f"Health of instance {made.id}",
        "CPU: 7.2%",
        "Memory: 512 MB",
        "Disk: 2048 MB",
        f"Uptime: {uptime} s",
        "Heartbeat: 2026-03-20T12:00:00Z",
    ]


def test_health_gives_programs_an_object(instance):
    made = instance.backend.add(heartbeat_at=NOON)

    health = json.loads(instance("health", made.id, "--json").stdout)

    assert health == made.health() | {"uptime_secs": health["uptime_secs"]}


# --- Terminals --------------------------------------------------------------------------------


def test_a_terminal_gets_a_table_and_colours(instance):
    instance.backend.add("bot", id="a-long-id-that-nobody-cuts", region="eu", created_at=NOON)

    shown = on_terminal(instance.environment, "instance", "list")
    plain = on_terminal(instance.environment, "instance", "list", NO_COLOR="1")

    assert "created (UTC)" in shown
    assert "a-long-id-that-nobody-cuts" in shown
    assert "2026-03-20 12:00" in shown
    assert "\x1b[32mrunning" in shown
    assert "created (UTC)" in plain
    assert "\x1b[32m" not in plain


def test_a_terminal_gets_marks_and_levels_in_colours(instance):
    made = instance.backend.add()
    levels = {"error": 31, "warn": 33, "info": 32, "debug": 2}
    made.log = [entry("a word", level) for level in (*levels, "odd")]

    shown = on_terminal(instance.environment, "instance", "logs", made.id)

    assert shown.startswith(f"  \x1b[36m●\x1b[0m Logs of instance {made.id}\r\n")
    assert all(f"\x1b[{number}m [{level}]" in shown for level, number in levels.items())
    assert "\x1b[0m [odd] a word" in shown


def test_a_terminal_gets_a_mark_before_a_refusal(instance):
    shown = on_terminal(instance.environment, "instance", "pause", "nobody", exit_code=1)

    assert shown == "  \x1b[31m✗\x1b[0m No instance found matching prefix 'nobody'.\r\n"


def test_nothing_that_a_backend_says_steers_the_terminal(instance):
    steering = "\x1b]0;owned\x07\x1b[2J\x9b2J\u202e"
    made = instance.backend.add(f"bot{steering}\n", region=steering)
    made.log = [entry(steering, f"in\nfo{steering}")]

    logged = on_terminal(instance.environment, "instance", "logs", made.id)
    as_json = on_terminal(instance.environment, "instance", "list", "--json")
    piped = instance("list").stdout + instance("logs", made.id).stdout

    for shown in (logged, as_json, piped):
        assert "owned" in shown
        powers = ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e")
        assert not [power for power in powers if power in shown]
    assert json.loads(as_json) == json.loads(instance("list", "--json").stdout)
    assert piped.count("\n") == 3  # one instance, the heading, one entry


# --- Which instance ---------------------------------------------------------------------------


def test_the_beginning_of_an_id_is_enough(instance):
    meant = instance.backend.add(id="abcd-1")
    other = instance.backend.add(id="abd-2")

    result = instance("pause", "abc")

    assert result.stdout == "Paused instance abcd-1.\n"
    assert (meant.status, other.status) == ("paused", "running")


def test_a_whole_id_is_meant_although_another_one_begins_like_it(instance):
    meant = instance.backend.add(id="bot")
    instance.backend.add(id="bot-2")

    assert instance("pause", "bot").stdout == "Paused instance bot.\n"
    assert meant.status == "paused"


def test_a_beginning_of_several_ids_is_refused_with_those(instance):
    for number in range(7):
        instance.backend.add(id=f"bot-{number}")

    result = instance("kill", "bot")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Ambiguous prefix 'bot': bot-0, bot-1, bot-2, bot-3, bot-4 and 2 more.\n"
    )
    assert len(instance.backend.instances) == 7


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        *(("kill", name) for name in ("", "../bot", "bot 1", "*")),
        *((verb, "nobody") for verb in ("kill", "pause", "restart", "logs", "ssh", "health")),
    ],
)
def test_what_begins_no_id_is_refused(instance, verb, name):
    instance.backend.add(id="bot")

    result = instance(verb, name)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"No instance found matching prefix {name!r}.\n"
    assert instance.backend.instances.keys() == {"bot"}


# --- Refusals ---------------------------------------------------------------------------------

FAILURES = {
    "create": "Failed to create instance: ",
    "list": "Failed to list instances: ",
    "kill": "Failed to kill instance bot: ",
    "pause": "Failed to pause instance bot: ",
    "restart": "Failed to restart instance bot: ",
    "logs": "Failed to read the logs of instance bot: ",
    "ssh": "Failed to open SSH to instance bot: ",
    "health": "Failed to get the health of instance bot: ",
}


def arguments_of(verb: str) -> tuple[str, ...]:
    return (verb,) if verb in ("create", "list") else (verb, "bot")


@pytest.mark.parametrize("verb", FAILURES)
def test_a_failure_of_the_backend_is_one_line(instance, verb):
    instance.backend.add(id="bot")
    instance.backend.fail(verb, Answer(500, {"error": "no room"}))

    result = instance(*arguments_of(verb))

    assert result.returncode == 1
    assert result.stderr.startswith(FAILURES[verb])
    # Where a key may be in the answer, nothing of it is repeated.
    assert ("no room" in result.stderr) == (verb != "ssh")
    assert result.stderr.count("\n") == 1
    assert not instance.ssh.was_started


@pytest.mark.parametrize("verb", ["create", "list", "kill", "logs", "ssh"])
def test_a_backend_that_is_gone_is_one_line(instance, verb):
    instance.backend.refuse()
    try:
        result = instance(*arguments_of(verb))
    finally:
        instance.backend.listen()

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(FAILURES[verb])
    assert result.stderr.count("\n") == 1


def test_without_a_backend_it_says_what_to_set(tmp_path):
    result = run_manage("instance", "list", environment=clean_environment(tmp_path))

    assert (result.returncode, result.stdout) == (1, "")
    first, hint = result.stderr.splitlines()
    assert first == "Instance backend not configured."
    assert "STARPOD_INSTANCE_BACKEND_URL" in hint


def test_without_a_database_it_says_so_in_one_line(tmp_path):
    environment = clean_environment(tmp_path, STARPOD_INSTANCE_BACKEND_URL="http://127.0.0.1:9")
    environment.pop("DATABASE_URL", None)

    result = run_manage("instance", "list", environment=environment)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"instance: there is no database in {tmp_path}; `serve` creates one\n"


def test_help_names_every_subcommand(instance):
    result = instance("--help")

    assert result.returncode == 0
    assert all(f"  {name} " in result.stdout for name in SUBCOMMANDS)


# --- What stays -------------------------------------------------------------------------------


def test_a_command_is_on_record_with_who_gave_it(instance):
    made = instance.backend.add()

    instance("pause", made.id)

    facts = [json.loads(line)["fact"] for line in instance.audit().splitlines()]
    command = next(fact for fact in facts if fact["kind"] == "instance_command")
    assert command["actor"] == f"manage.py:{getpass.getuser()}"
    assert (command["operation"], command["instance_id"]) == ("pause", made.id)
    assert command["outcome"] == "done"


def test_it_works_beside_a_server(fleet: Fleet):
    made = fleet.backend.add()

    result = fleet.server.manage("instance", "kill", made.id)

    assert (result.returncode, result.stdout) == (0, f"Killed instance {made.id}.\n")
    assert not fleet.backend.instances
