"""A recorded run executed again: clean on the same code, divergent on other code."""

import shutil
from pathlib import Path

from tests.conftest import StartServer
from tests.e2e.driving import PLUGINS, Driver

TURNS = 12


def test_twelve_turns_replay_clean_and_show_where_an_edited_tool_differs(
    start_server: StartServer, tmp_path: Path
):
    plugin = tmp_path / "plugin"
    shutil.copytree(PLUGINS / "fault_tools", plugin)
    driver = Driver(start_server(env={"PYTHONPATH": str(plugin)}))
    detail, events = driver.run(script())
    assert detail["turn_count"] == TURNS

    replayed = driver.server.manage("runs", "replay", detail["run_id"])

    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert replayed.stdout.startswith("OK: ")

    source = plugin / "starport_fault_tools.py"
    source.write_text(source.read_text().replace('"price": 10', '"price": 12'))

    diverged = driver.server.manage("runs", "replay", detail["run_id"])

    changed = next(
        event["seq"]
        for event in events
        if event["kind"] == "ToolCallCompleted" and "price" in event["payload"]["result"]
    )
    assert diverged.returncode == 1, diverged.stdout + diverged.stderr
    assert f"DIVERGED: seq {changed}, payload" in diverged.stdout
    assert "ToolCallCompleted" in diverged.stdout
    assert '"price":10' in diverged.stdout
    assert '"price":12' in diverged.stdout
    assert driver.events(detail["run_id"]) == events  # a replay writes nothing


def script() -> str:
    calls = "\n".join(
        [
            '!tool calculate {"expression": "6*7"}',
            "!tool now {}",
            '!tool refuse {"message": "no"}',
            '!tool upsert {"seconds": 0.01}',
        ]
    )
    turns = [f"!think about it\n!say turn {number}\n{calls}\n!turn" for number in range(TURNS - 2)]
    return "\n".join([*turns, '!tool price {"article": "tea"}\n!tool now {}\n!turn', "!say done"])
