"""`runs list`, `runs show` and `runs export`: what a pipe gets."""

import base64
import json

from runs.event_types import (
    ArtifactWritten,
    BranchFinished,
    BranchStarted,
    InputTimedOut,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    RunForked,
    RunRewound,
    RunStarted,
    RunSuspended,
    StepCompleted,
    TimerSet,
)
from runs.log.read import walk_events
from runs.models import Run
from tests.runs.cli.conftest import GOLDEN_GOAL, WAITING_GOAL, queue
from tests.runs.inspector.logs import write_run


def test_list_has_the_newest_run_first_and_cuts_nothing(cli, execute):
    [first] = execute("hello\tthere\n" + "word " * 100)
    [second] = execute("!fail auth")

    result = cli("list")

    assert result.code == 0
    newest, oldest = [line.split("\t") for line in result.lines]
    assert newest[:2] == [second, "failed"]
    assert oldest[:2] == [first, "completed"]
    assert oldest[-1] == "hello there " + "word " * 99 + "word"


def test_list_shows_what_waits_in_the_queue(cli, execute):
    [done] = execute("hello")
    queued = queue("later")

    result = cli("list")

    assert [line.split("\t")[:2] for line in result.lines] == [
        [queued, "queued"],
        [done, "completed"],
    ]


def test_list_filters_by_status_and_limits(cli, execute):
    done, failed, _ = execute("hello", "!fail auth", WAITING_GOAL)

    assert ids_of(cli("list", "--status", "completed")) == [done]
    assert ids_of(cli("list", "--status", "failed")) == [failed]
    assert len(ids_of(cli("list", "--limit", "2"))) == 2
    assert cli("list", "--status", "in progress").out.split("\t")[1] == "in progress"
    assert ids_of(cli("list", "--status", "awaiting-input")) != []


def test_list_json_is_one_object_a_line(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)

    item = json.loads(cli("list", "--json").out)

    assert item["run_id"] == run_id
    assert item["goal"] == GOLDEN_GOAL
    assert (item["turn_count"], item["tool_call_count"], item["last_seq"]) == (2, 2, 12)


def test_show_reads_from_goal_to_verdict(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)

    result = cli("show", run_id)

    assert result.code == 0
    told = iter(line.strip() for line in result.lines)
    for expected in TOLD:
        assert any(line.startswith(expected) for line in told), expected
    root = root_of(run_id).hex()
    assert result.lines[-1] == f"chain    ✓ valid, root {root}"


# In this order, other lines between them.
TOLD = (
    "1  goal",
    "What is 6*7?",
    "2  turn 1",
    "3  reasoning",
    "It is a product.",
    "4  answer",
    "Let me see.",
    "5  → calculate",
    '{"expression":"6*7"}',
    "8  ← calculate",
    '{"result":42}',
    "10  turn 2",
    "11  answer",
    "It is 42 & <fine>.",
    "12  completed",
    "totals   12 events, 2 turns, 2 tool calls",
)


def test_show_tells_the_steps_of_a_graph(cli):
    run = write_run(STEPS, end="failed", graph_id="approval")

    result = cli("show", run.id)

    told = iter(" ".join(line.split()) for line in result.lines)
    for expected in STEPS_TOLD:
        assert any(line == expected for line in told), expected


STEPS = (
    RunStarted(1, "goal", "scripted", "scripted", "v0", graph_id="approval"),
    RunForked("01PARENT", 0, "draft", {"x": 1}, {}, "ada", reason="to see"),
    NodeStarted(1, "1", "gate", "interrupt"),
    TimerSet("1", 1_700_000_000 * 10**9),
    RunSuspended(1_700_000_000 * 10**9),
    InputTimedOut("1", "goto:late"),
    NodeFinished(1, "1", "gate", {"review": {}}, 7),
    StepCompleted(1, "gate", "", "fan", "parallel", targets=["b", "c"]),
    BranchStarted(2, "2:branch-0", "branch-0", "b", "all"),
    NodeFailed(2, "2:branch-0", "b", "no luck", "tool", 3),
    BranchFinished(2, "2:branch-0", "branch-0", "failed"),
    StepCompleted(0, "x", "y", "", "continue", path="2:sub"),
    ArtifactWritten(3, "3", "keep", "ab", "r.md", "text/markdown", 2048),
    RunRewound(1, "ada"),
    StepCompleted(2, "late", "", "", "halt", halt_reason="enough"),
)
STEPS_TOLD = (
    "2 fork of 01PARENT after step 0, draft by ada: to see",
    "3 step 1 gate interrupt",
    "4 sleeps until 2023-11-14T22:13:20.000000000Z",
    "5 sleeps until 2023-11-14T22:13:20.000000000Z",
    "6 nobody answered in time goto:late",
    "7 step 1 gate done 7 ms",
    '{"review":{}}',
    "8 step 1 gate → b, c rule fan",
    "9 step 2 branch-0 begins with b all",
    "10 step 2 branch-0 b failed tool, 3 ms",
    "no luck",
    "11 step 2 branch-0 failed",
    "12 step 2 sub step 0 x → y",
    "13 step 3 kept r.md text/markdown, 2,048 bytes",
    "14 goes on from step 1 by ada",
    "15 step 2 late → end enough",
)


def test_show_tells_that_a_chain_is_broken_and_still_shows_the_log(cli, execute):
    [run_id] = execute("hello")
    event = Run.objects.get(pk=run_id).events.filter(seq=2)
    event.update(ts=1)

    result = cli("show", run_id)

    assert result.code == 0
    assert "You said: hello" in result.out
    assert result.lines[-1] == "chain    ✗ hash_mismatch at seq 2"


def test_show_json_holds_the_events_and_the_verdict(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)

    item = json.loads(cli("show", run_id, "--json").out)

    assert item["validation"] == {"status": "valid"}
    assert [event["seq"] for event in item["events"]] == list(range(1, 13))
    assert item["final_text"] == "It is 42 & <fine>."


def test_text_of_strangers_cannot_steer_the_terminal(cli, execute):
    [run_id] = execute("!say \x1b[31mred\x1b]0;title\x07 \u202eevil \x9b2J")

    result = cli("show", run_id)

    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(result.out)
    assert r"\x1b[31mred\x1b]0;title\x07 \u202eevil \x9b2J" in result.out


def test_show_of_a_queued_run_says_that_it_waits(cli, transactional_db):
    run_id = queue("later")

    result = cli("show", run_id)

    assert result.code == 0
    assert "queued" in result.out
    assert "waits for a worker" in result.lines[-1]


def test_export_writes_the_log_as_the_contract_has_it(cli, execute):
    [run_id] = execute(GOLDEN_GOAL)
    events = list(walk_events(run_id))

    result = cli("export", run_id)

    assert result.code == 0
    items = [json.loads(line) for line in result.lines]
    assert [list(item) for item in items] == [
        ["run_id", "seq", "ts", "kind", "prev_hash", "payload"]
    ] * len(events)
    for item, event in zip(items, events, strict=True):
        expected = None if event.prev_hash is None else event.prev_hash
        actual = item["prev_hash"] and base64.b64decode(item["prev_hash"], validate=True)
        assert (item["seq"], item["ts"], actual) == (event.seq, event.ts, expected)
        assert item["kind"] == event.kind_name
    scheduled = next(item for item in items if item["kind"] == "ToolCallScheduled")
    assert scheduled["payload"]["args"] == {"expression": "6*7"}
    completed = next(item for item in items if item["kind"] == "ToolCallCompleted")
    assert completed["payload"]["result"] == {"result": 42}
    root = base64.b64decode(items[-1]["payload"]["merkle_root"])
    assert root == root_of(run_id)


def test_export_escapes_what_html_would_read(cli, execute):
    [run_id] = execute("!say a < b & c > d\u2028")

    result = cli("export", run_id)

    assert r"a \u003c b \u0026 c \u003e d\u2028" in result.out
    assert not {"<", ">", "&", "\u2028"} & set(result.out)


def test_large_payloads_are_exported_whole(cli, execute):
    [run_id] = execute("!repeat 20000 word")

    items = [json.loads(line) for line in cli("export", run_id).lines]

    assert len(items[-1]["payload"]["final_text"]) == 20_000 * 5 - 1


def ids_of(result):
    return [line.split("\t")[0] for line in result.lines]


def root_of(run_id: str) -> bytes:
    root = Run.objects.get(pk=run_id).merkle_root
    assert root is not None
    return bytes(root)
