import pytest

from runs.models import Run
from runs.tools.base import ToolError
from runs.tools.builtin.start_run import start_run

# Threads of the tool write; a test inside a transaction would not see it.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def scripted_model(settings):
    settings.STARPORT_MODELS = ["scripted:scripted"]


@pytest.fixture
def caller(context):
    """The run that calls the tool."""
    context.user_id = None
    return Run.objects.create(id=context.run_id, goal="parent", actor="owner")


@pytest.mark.usefixtures("caller")
async def test_it_starts_a_child_of_the_calling_run(context):
    result = await start_run.execute({"goal": "count the ships"}, context)

    child = await Run.objects.aget(pk=result["run_id"])
    assert (child.goal, child.parent_id, child.trigger_source, child.actor) == (
        "count the ships",
        context.run_id,
        "tool",
        "owner",
    )


@pytest.mark.usefixtures("caller")
async def test_a_call_issued_again_after_a_crash_finds_the_run_of_the_first(context):
    first = await start_run.execute({"goal": "once"}, context)
    context.recorded.clear()  # the crash came before the record

    second = await start_run.execute({"goal": "once"}, context)

    assert second == first
    assert await Run.objects.filter(parent_id=context.run_id).acount() == 1


@pytest.mark.usefixtures("caller")
async def test_a_replay_starts_nothing(context):
    live = await start_run.execute({"goal": "once"}, context)

    replayed = await start_run.execute({"goal": "once"}, context.replay())

    assert replayed == live
    assert await Run.objects.filter(parent_id=context.run_id).acount() == 1


@pytest.mark.usefixtures("caller")
@pytest.mark.parametrize(
    "arguments", [{"goal": "  "}, {"goal": "x", "graph_id": "nowhere"}, {"goal": "x", "model": "a"}]
)
async def test_what_cannot_run_is_refused_in_words(arguments, context):
    with pytest.raises(ToolError):
        await start_run.execute(arguments, context)

    assert await Run.objects.acount() == 1


async def test_runs_that_start_runs_end_somewhere(context):
    parent_id = None
    for level in range(6):
        run = await Run.objects.acreate(id=f"level-{level}", goal="deeper", parent_id=parent_id)
        parent_id = run.id
    context.run_id = parent_id

    with pytest.raises(ToolError, match="levels deep"):
        await start_run.execute({"goal": "and deeper"}, context)
