"""Runs that an upgrade of the program finds under way, on graphs that it comes with."""

import pytest

from accounts.principals import DAEMON
from project.lib.pool import in_database_thread
from runs.errors import GraphNotFound
from runs.graphs.documents import parse_graph
from runs.graphs.registry import get_graph, get_version, keep_versions
from runs.models import Run
from runs.services.checkpoints import load_history
from runs.services.lifecycle import respond

pytestmark = pytest.mark.django_db(transaction=True)

#: As an earlier release might have had it.
APPROVAL = parse_graph(
    {
        "ir_version": "1.1.0",
        "id": "approval",
        "nodes": [
            {"id": "gate", "kind": "interrupt", "config": {"prompt": "Old?"}},
            {"id": "end", "kind": "template", "config": {"template": "old end", "out": "answer"}},
        ],
    }
)
AGENT = parse_graph(
    {
        "ir_version": "1.1.0",
        "id": "agent",
        "nodes": [{"id": "agent", "kind": "agent", "config": {"prompt": "!say old {{ goal }}"}}],
    }
)


async def begin_on(harness, version, goal: str = "go") -> str:
    """A run that the earlier release, which had `version`, has accepted."""
    await harness.stop()
    await in_database_thread(keep_versions, [version])
    run_id: str = await harness.submit(goal, graph_id=version.id)
    row = Run.objects.filter(pk=run_id)
    await in_database_thread(lambda: row.update(graph_hash=version.hash))
    await harness.start_engine()
    return run_id


async def test_a_run_goes_on_with_the_version_of_the_graph_it_began_with(harness):
    run_id = await begin_on(harness, APPROVAL)
    await harness.until_asked(run_id, "Old?")
    await in_database_thread(respond, run_id=run_id, response={}, caller=DAEMON)
    run = await harness.until(run_id, lambda run: run.is_finished)
    history = await in_database_thread(load_history, run)

    assert (run.status, run.final_text) == ("done", "old end"), run.error
    assert [view.nodes for view in history.steps] == [("gate",), ("end",)]
    assert (await in_database_thread(get_graph, "approval")).hash != APPROVAL.hash


async def test_so_does_a_run_of_the_built_in_agent(harness):
    run_id = await begin_on(harness, AGENT, "friend")

    run = await harness.until(run_id, lambda run: run.is_finished)

    assert (run.status, run.final_text) == ("done", "old friend"), run.error


@pytest.mark.django_db
def test_a_version_that_was_never_kept_is_not_another_one():
    with pytest.raises(GraphNotFound, match="no version 000000000000 of graph 'approval'"):
        get_version("approval", "0" * 64)
