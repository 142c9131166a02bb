"""`manage.py instance logs`: what is shown of a log, and how watching one ends."""

import json
import signal

import pytest

from tests.instances.cli.log_lines import NOON, entry
from tests.instances.faults import Answer, Chunks
from tests.server import start_manage
from tests.terminal import left_after_one_line, wait_for_text


def test_logs_shows_time_level_and_message(instance):
    made = instance.backend.add()
    made.log = [entry("hello"), entry("ouch", "error", NOON + 3661), b"WARN no object at all"]

    result = instance("logs", made.id)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"Logs of instance {made.id}",
        "12:00:00 [info] hello",
        "13:01:01 [error] ouch",
        "--:--:-- [warn] no object at all",
    ]


@pytest.mark.parametrize(("options", "shown"), [((), 50), (("--tail", "3"), 3), (("-t", "1"), 1)])
def test_logs_shows_the_last_entries(instance, options, shown):
    made = instance.backend.add()
    made.log = [entry(f"line {number}") for number in range(60)]

    lines = instance("logs", made.id, *options).stdout.splitlines()[1:]

    assert lines == [f"12:00:00 [info] line {number}" for number in range(60 - shown, 60)]


def test_logs_gives_programs_the_entries_alone(instance):
    made = instance.backend.add()
    made.log = [entry("hello")]

    result = instance("logs", made.id, "--json")

    assert json.loads(result.stdout) == json.loads(made.log[0])


def test_a_message_of_several_lines_cannot_pass_for_entries(instance):
    made = instance.backend.add()
    made.log = [entry("one\n12:00:01 [error] all is lost")]

    lines = instance("logs", made.id).stdout.splitlines()

    assert lines[1:] == ["12:00:00 [info] one", "         12:00:01 [error] all is lost"]


def test_a_log_that_breaks_off_is_shown_as_far_as_it_came(instance):
    made = instance.backend.add()
    instance.backend.fail("logs", Chunks([entry("last words") + b"\n"], ending="reset"))

    result = instance("logs", made.id, "--follow")

    assert result.returncode == 0
    assert result.stdout.splitlines()[1:] == ["12:00:00 [info] last words"]
    assert result.stderr.startswith("The log ended: ")
    assert result.stderr.count("\n") == 1


def test_a_log_that_is_refused_is_an_error(instance):
    made = instance.backend.add()
    instance.backend.fail("logs", Answer(500))

    result = instance("logs", made.id)

    assert result.returncode == 1
    assert result.stderr.startswith(f"Failed to read the logs of instance {made.id}: ")


def test_follow_shows_what_comes_until_control_c(instance, tmp_path):
    made = instance.backend.add()
    made.log = [entry("before")]
    follower = start_manage(
        *("instance", "logs", made.id, "--follow"),
        environment=instance.environment,
        log_dir=tmp_path,
    )
    wait_for_text(follower, "before")

    instance.backend.say(made, "while you watch")

    wait_for_text(follower, "[info] while you watch\n")
    follower.send_signal(signal.SIGINT)
    assert (follower.wait(), follower.stderr()) == (130, "")


def test_a_reader_of_a_log_that_leaves_early_is_no_error(instance):
    made = instance.backend.add()
    instance.backend.fail("logs", Chunks([entry("and so on") + b"\n"], ending="repeat"))

    left = left_after_one_line(instance.environment, "instance", "logs", made.id, "--follow")

    assert left == (141, b"")
