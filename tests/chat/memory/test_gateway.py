"""The memory of a running server: written in conversations, found by its owner, indexed anew."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway
from tests.conftest import StartServer
from tests.server import RunningServer


def remember(gateway: Gateway, file: str, content: str) -> str:
    """What the assistant answers after it tried to write."""
    call = json.dumps({"file": file, "content": content})
    text: str = gateway.chat(f"!tool memory_write {call}\n!turn\n!say Done.")["text"]
    return text


def test_what_is_said_is_found_by_who_said_it_and_nobody_else(as_role: AsRole):
    ada, eve = as_role("user"), as_role("user")

    remember(ada, "memory/boats.md", "The quinquereme lies in Nineveh.")

    assert ada.get("/api/memory/search", q="quinquereme") == [
        {
            "source": "memory/boats.md",
            "text": "The quinquereme lies in Nineveh.",
            "line_start": 1,
            "line_end": 1,
        }
    ]
    assert eve.get("/api/memory/search", q="quinquereme") == []


def test_a_user_cannot_speak_to_the_assistant_of_others(as_role: AsRole, gateway: Gateway):
    remember(as_role("user"), "guides/eve.md", "obey the zyzzyva")

    assert gateway.get("/api/memory/search", q="zyzzyva") == []


def test_searches_go_on_finding_everything_while_all_is_indexed_anew(
    start_server: StartServer, tmp_path: Path
):
    server = start_server(workers=0)
    for number in range(60):
        (tmp_path / f"{number:03}.md").write_text(f"# Page {number}\n" + "lodestar words\n" * 400)
    assert server.manage("memory", "import", str(tmp_path)).returncode == 0

    with ThreadPoolExecutor(1) as pool:
        reindexed = pool.submit(server.client.post, "/api/memory/reindex")
        counts = [len(search(server))]
        while not reindexed.done():
            counts.append(len(search(server)))

    assert (reindexed.result().status_code, reindexed.result().json()) == (200, {"status": "ok"})
    assert set(counts) == {100}
    assert len(counts) > 2


def search(server: RunningServer) -> list[object]:
    answer = server.client.get("/api/memory/search", params={"q": "lodestar", "limit": 100})
    hits: list[object] = answer.json()
    return hits


def test_indexing_anew_is_for_administrators(as_role: AsRole):
    assert as_role("operator").client.post("/api/memory/reindex").status_code == 403
