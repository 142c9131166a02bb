"""`runs fork`."""

import pytest

from accounts.models import AuditRecord
from runs.models import Run
from tests.runs.cli.conftest import GOLDEN_GOAL


def test_fork_queues_a_changed_copy_and_prints_its_id(cli, execute, tmp_path):
    [parent] = execute(GOLDEN_GOAL)
    (tmp_path / "mutation.json").write_text('{"state_overrides": {"goal": "overruled"}}')

    result = cli(
        "fork", parent, "--step", "0", "--mutation", f"@{tmp_path}/mutation.json",
        "--set", 'goal="another"', "--reason", "to see",
    )  # fmt: skip

    child = Run.objects.get(pk=result.lines[0])
    record = AuditRecord.objects.get(fact_kind="counterfactual_forked", run_id=child.id)
    assert (result.code, result.err) == (0, "")
    assert (child.parent_id, child.fork_step, child.goal) == (parent, 0, "another")
    assert (child.status, child.actor) == ("pending", record.actor)
    assert child.actor.startswith("manage.py:")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--step", "7"], "no checkpoint at step 7"),
        (["--step", "0", "--set", "goal"], "--set 'goal' is not FIELD=JSON"),
        (["--step", "0", "--set", "goal=nope"], "--set goal is not JSON"),
        (["--step", "0", "--mutation", "[]"], "--mutation is not a JSON object"),
        (
            ["--step", "0", "--mutation", '{"more": 1}'],
            "--mutation: more: Extra inputs are not permitted",
        ),
        (
            ["--step", "0", "--set", "score=1"],
            "state_overrides.score: only a text for goal can be set",
        ),
    ],
)
def test_fork_says_in_one_line_what_is_wrong(cli, execute, arguments, complaint):
    [parent] = execute("hello")

    result = cli("fork", parent, *arguments)

    assert (result.code, result.out, result.err) == (1, "", f"runs: {complaint}\n")
    assert Run.objects.count() == 1
