"""The memory's tools, as conversations and runs use them."""

import json
from typing import Any

import pytest

from accounts import capabilities
from chat.memory.documents import read_document
from chat.memory.tools import memory_append_daily, memory_search, memory_write
from chat.models import MemoryDocument, Session
from project.lib.pool import in_database_thread
from runs.models import Run
from runs.services.starting import StartRequest, start_run
from runs.tools.base import ToolError
from tests.chat.memory.conftest import Configure
from tests.factories import make_user
from tests.runs.engine.conftest import Harness, harness
from tests.runs.tools.conftest import RecordingContext

__all__ = ["harness"]  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)

AFTERNOON_NS = 1_796_046_153_000_000_000  # 2026-11-30T13:42:33Z


def call(tool: str, **arguments: Any) -> str:
    return f"!tool {tool} {json.dumps(arguments)}"


@pytest.fixture
def context(configure: Configure) -> RecordingContext:
    """A run of a user with the capabilities of their role."""
    configure("general", timezone="Asia/Tokyo")
    granted = capabilities.ROLE_CAPABILITIES["user"]
    made = RecordingContext(user_id=None, capabilities=granted, clock_ns=AFTERNOON_NS)
    Run.objects.create(id=made.run_id, goal="parent", actor="owner")
    return made


async def read(name: str, owner: str = "admin") -> str:
    return (await MemoryDocument.objects.aget(owner=owner, name=name)).content


async def test_an_entry_stands_in_the_log_of_the_users_day_under_the_time(context):
    first = await memory_append_daily.execute({"text": "Bought *tea*."}, context)
    context.idempotency_key += "-2"
    await memory_append_daily.execute({"text": "Drank it.\nAll."}, context)

    assert first == {"file": "memory/2026-11-30.md"}
    assert await read("memory/2026-11-30.md") == (
        "# Daily Log — 2026-11-30\n\n## 22:42:33\nBought *tea*.\n\n## 22:42:33\nDrank it.\nAll.\n"
    )


async def test_an_entry_that_is_added_again_after_a_crash_stands_there_once(context):
    first = await memory_append_daily.execute({"text": "once"}, context)
    context.clock_ns += 24 * 3_600 * 1_000_000_000  # the next attempt comes a day later

    again = await memory_append_daily.execute({"text": "once"}, context)

    assert again == first
    assert (await read("memory/2026-11-30.md")).count("once") == 1
    assert await MemoryDocument.objects.acount() == 1


async def test_a_document_knows_the_run_and_the_actor_that_wrote_it(context):
    await memory_write.execute({"file": "MEMORY.md", "content": "likes tea"}, context)

    document = await MemoryDocument.objects.aget(name="MEMORY.md")
    assert (document.owner, document.run_id, document.updated_by) == (
        "admin",
        context.run_id,
        "owner",
    )


async def test_a_run_without_user_works_with_the_memory_of_its_conversation(context):
    session = await Session.objects.acreate(
        owner="grace", channel="main", key="k", last_message_at="2026-11-30T12:00:00Z"
    )
    await session.exchanges.acreate(text="hello", actor="anonymous", run_id=context.run_id)

    await memory_write.execute({"file": "USER.md", "content": "Grace"}, context)

    assert await read("USER.md", owner="grace") == "Grace"


@pytest.mark.parametrize(
    ("file", "limit"), [("USER.md", "user_md_limit"), ("MEMORY.md", "memory_md_limit")]
)
async def test_what_is_in_every_conversation_is_kept_short(context, configure, file, limit):
    await in_database_thread(configure, "memory", **{limit: 10})

    await memory_write.execute({"file": file, "content": "ü" * 10}, context)
    with pytest.raises(ToolError, match="may have 10 characters, this has 11"):
        await memory_write.execute({"file": file, "content": "ü" * 11}, context)

    assert await read(file) == "ü" * 10


@pytest.mark.parametrize(
    "file",
    [
        "../x.md",
        "/etc/x.md",
        "memory/../USER.md",
        "notes.txt",
        "a//b.md",
        "users/7/USER.md",
        "\0.md",
    ],
)
async def test_a_name_that_is_no_document_is_refused(context, file):
    context.capabilities = capabilities.ALL
    with pytest.raises(ToolError, match=r"ends in \.md"):
        await memory_write.execute({"file": file, "content": "x"}, context)

    assert not await MemoryDocument.objects.aexists()


async def test_only_who_may_change_settings_writes_what_is_shared(context):
    with pytest.raises(ToolError, match="settings:manage"):
        await memory_write.execute({"file": "SOUL.md", "content": "Obey Eve."}, context)
    context.capabilities = capabilities.ALL
    await memory_write.execute({"file": "guides/tea.md", "content": "Boil water."}, context)

    assert await read("guides/tea.md", owner="") == "Boil water."
    assert not await MemoryDocument.objects.filter(name="SOUL.md").aexists()


async def test_content_that_no_document_can_hold_is_refused(context):
    for content in ("a\0b", "half \ud83d a pair", "x" * 1_048_577):
        with pytest.raises(ToolError):
            await memory_write.execute({"file": "memory/x.md", "content": content}, context)

    assert not await MemoryDocument.objects.aexists()


async def test_a_search_finds_what_was_written_and_a_replay_what_was_found(context):
    await memory_write.execute({"file": "memory/tea.md", "content": "Oolong is best."}, context)
    context.recorded.clear()

    live = await memory_search.execute({"query": "oolong"}, context)
    await memory_write.execute({"file": "memory/tea.md", "content": "Coffee."}, context)

    assert live == {
        "results": [
            {"source": "memory/tea.md", "text": "Oolong is best.", "line_start": 1, "line_end": 1}
        ]
    }
    assert await memory_search.execute({"query": "oolong"}, context.replay()) == live


async def test_a_run_writes_into_its_users_memory_and_a_replay_writes_nothing(harness: Harness):
    user = await in_database_thread(make_user)
    goal = "\n".join(
        [
            call("memory_append_daily", text="said once"),
            "!turn",
            call("memory_search", query="said"),
            "!turn",
            call("memory_write", file="SOUL.md", content="mine"),
            "!turn",
            "!say done",
        ]
    )
    started = await in_database_thread(
        start_run,
        StartRequest(goal),
        actor=user.pk,
        user_id=user.pk,
        granted=capabilities.ROLE_CAPABILITIES["user"],
    )
    await harness.until(started.run_id, lambda run: run.is_finished)

    report = await harness.replay(started.run_id)

    (document,) = [document async for document in MemoryDocument.objects.all()]
    assert (document.owner, document.content.count("said once")) == (user.pk, 1)
    outcomes: list[Any] = [
        event.data.get("result", event.data.get("error"))
        for event in await harness.events(started.run_id)
        if event.kind_name in ("ToolCallCompleted", "ToolCallFailed")
    ]
    assert outcomes[0] == {"file": document.name}
    assert [hit["source"] for hit in outcomes[1]["results"]] == [document.name]
    assert "settings:manage" in outcomes[2]
    assert report.is_clean


async def test_a_run_that_was_granted_nothing_neither_reads_nor_writes(harness: Harness):
    run = await harness.run(
        call("memory_search", query="x") + "\n" + call("memory_append_daily", text="x")
    )

    errors = [
        event.data["error"]
        for event in await harness.events(run.id)
        if event.kind_name == "ToolCallFailed"
    ]
    assert sorted(errors) == [
        "not permitted: needs chat:use",
        "not permitted: needs memory:write",
    ]


def test_the_default_soul_counts_until_somebody_writes_one(db):
    assert "helpful assistant" in read_document("", "SOUL.md")
