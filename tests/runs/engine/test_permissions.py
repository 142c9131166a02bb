"""A tool may do no more than the credential that started its run, and its creator as of now."""

import pytest

from accounts.models import User
from project.lib.pool import in_database_thread
from runs.services.starting import StartRequest, start_run
from runs.tools.typed import tool

pytestmark = pytest.mark.django_db(transaction=True)

CHILD = '!tool start_run {"goal": "help me"}\n!turn\n!say asked'


async def outcome_of_start_run(harness, *, user, granted):
    started = await in_database_thread(
        start_run, StartRequest(CHILD), actor=user.id, user_id=user.id, granted=granted
    )
    await harness.until(started.run_id, lambda run: run.is_finished)
    return next(
        event
        for event in await harness.events(started.run_id)
        if event.kind_name in ("ToolCallCompleted", "ToolCallFailed")
    )


async def make_user(**fields):
    return await in_database_thread(User.objects.create, email="owner@example.org", **fields)


async def test_a_tool_gets_what_the_credential_was_granted(harness):
    user = await make_user(role="user")

    outcome = await outcome_of_start_run(
        harness, user=user, granted=frozenset({"runs:start", "runs:read"})
    )

    assert outcome.kind_name == "ToolCallCompleted"


async def test_a_limited_key_does_not_lend_its_owners_role_to_tools(harness):
    user = await make_user(role="admin")

    outcome = await outcome_of_start_run(harness, user=user, granted=frozenset({"runs:read"}))

    assert outcome.kind_name == "ToolCallFailed"
    assert "runs:start" in outcome.data["error"]


async def test_a_creator_who_was_switched_off_lends_nothing_any_more(harness):
    user = await make_user(role="admin", is_active=False)

    outcome = await outcome_of_start_run(harness, user=user, granted=frozenset({"runs:start"}))

    assert outcome.kind_name == "ToolCallFailed"


async def test_whom_a_token_names_lends_what_the_token_granted(harness):
    started = await in_database_thread(
        start_run,
        StartRequest(CHILD),
        actor="alice",
        user_id=None,
        granted=frozenset({"runs:start"}),
    )

    await harness.until(started.run_id, lambda run: run.is_finished)

    assert "ToolCallCompleted" in await harness.kinds(started.run_id)


@pytest.mark.parametrize(
    ("side_effects", "outcome"),
    [
        ("none", "ToolCallCompleted"),
        ("read", "ToolCallCompleted"),
        ("write", "ToolCallFailed"),
        ("external", "ToolCallFailed"),
    ],
)
async def test_the_cleared_profile_has_no_tools_that_change_anything(
    harness, register_tool, settings, side_effects, outcome
):
    called = []

    @tool(namespace="tests", side_effects=side_effects)
    async def touch() -> str:
        called.append(side_effects)
        return "touched"

    register_tool(touch)
    settings.STARPORT_PROFILE = "cleared"
    run = await harness.run("!tool touch {}\n!turn\n!say done")

    assert outcome in await harness.kinds(run.id)
    assert bool(called) is (outcome == "ToolCallCompleted")
