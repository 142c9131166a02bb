"""Files that come with messages."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway, new_key
from tests.chat.socket.client import END, ask, chat_socket, receive, say, text_of
from tests.chat.stored_settings import stored_settings
from tests.runs.graph_api.sockets import read_until
from tests.server import RunningServer

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def upload(name: str, data: bytes, mime_type: str = "text/plain") -> dict[str, str]:
    return {"file_name": name, "mime_type": mime_type, "data": base64.b64encode(data).decode()}


def noted(text: str) -> list[str]:
    """The paths that the model was told."""
    return re.findall(r"\[Attached file: ([^\]]+)\]", text)


@pytest.fixture
def files(server: RunningServer) -> Path:
    return server.data_dir / "files"


def stored(files: Path, path: str) -> Path:
    """Where a file lies that its user's runs know by that path."""
    [found] = files.glob(f"downloads/*/{path.removeprefix('downloads/')}")
    return found


def test_a_file_is_stored_and_the_model_is_told_where(gateway: Gateway, files: Path):
    with chat_socket(gateway.client) as socket:
        frames = ask(socket, "look", attachments=[upload("notes.txt", b"remember")])

    (path,) = noted(text_of(frames))
    assert re.fullmatch(r"downloads/\d{8}_\d{6}(_\d+)?_notes\.txt", path)
    assert stored(files, path).read_bytes() == b"remember"


def test_files_alone_are_a_message_without_title(gateway: Gateway):
    with chat_socket(gateway.client) as socket:
        ended = ask(socket, "", attachments=[upload("a.txt", b"x")])[-1]

    session = gateway.get(f"/api/sessions/{ended['session_id']}")
    assert session["title"] is None
    assert session["message_count"] == 1


def test_two_files_of_one_name_are_two_files(gateway: Gateway, files: Path):
    both = [upload("same.txt", b"one"), upload("same.txt", b"two")]

    with chat_socket(gateway.client) as socket:
        paths = noted(text_of(ask(socket, "look", attachments=both)))

    assert [stored(files, path).read_bytes() for path in paths] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "____etc_passwd"),
        ("a/b\\c:d", "a_b_c_d"),
        ("nul\0byte", "nul_byte"),
        ("line\nbreak.txt", "line_break.txt"),
        ("", "_"),
        ("ü" * 300 + ".txt", "ü" * 98 + ".txt"),
    ],
)
def test_a_name_leads_nowhere_else(gateway: Gateway, files: Path, name: str, kept: str):
    with chat_socket(gateway.client) as socket:
        (path,) = noted(text_of(ask(socket, "look", attachments=[upload(name, b"x")])))

    assert path.split("/")[0] == "downloads"
    assert re.sub(r"^downloads/\d{8}_\d{6}(_\d+)?_", "", path) == kept
    assert stored(files, path).is_file()


def test_a_folder_that_is_a_link_is_not_followed(gateway: Gateway, files: Path, tmp_path: Path):
    downloads = files / "downloads"
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    files.mkdir(exist_ok=True)
    if downloads.exists():
        downloads.rename(files / "set-aside")
    downloads.symlink_to(moved)
    try:
        with chat_socket(gateway.client) as socket:
            say(socket, "look", attachments=[upload("a.txt", b"x")])
            error = receive(socket)
    finally:
        downloads.unlink()
        if (files / "set-aside").exists():
            (files / "set-aside").rename(downloads)

    assert error["type"] == "error"
    assert list(moved.iterdir()) == []


def test_what_is_no_base64_is_an_error_and_the_others_are_kept(gateway: Gateway, files: Path):
    bad = {"file_name": "bad.bin", "mime_type": "x/y", "data": "not base64!"}

    with chat_socket(gateway.client) as socket:
        say(socket, "look", attachments=[bad, upload("good.txt", b"fine")])
        error = receive(socket)
        frames = read_until(socket, END)

    (path,) = noted(text_of(frames))
    assert error == {"type": "error", "message": "File 'bad.bin' is not valid base64"}
    assert stored(files, path).read_bytes() == b"fine"


def test_a_message_of_nothing_but_bad_files_is_none(gateway: Gateway):
    bad = {"file_name": "bad.bin", "mime_type": "x/y", "data": "?"}

    with chat_socket(gateway.client) as socket:
        say(socket, "", attachments=[bad])
        errors = [receive(socket), receive(socket)]

    assert errors[1]["message"] == "Invalid message format: text must not be blank"


@pytest.mark.parametrize(
    ("settings", "file", "said"),
    [
        ({"enabled": False}, upload("a.txt", b"x"), "Attachments are disabled"),
        (
            {"max_file_size": 1_048_576},
            upload("big.bin", b"x" * 1_572_864),
            "File 'big.bin' exceeds 1.0 MB limit (1.5 MB)",
        ),
        (
            {"allowed_extensions": ["pdf", "png"]},
            upload("run.EXE", b"x"),
            "File extension 'exe' is not allowed (allowed: pdf, png)",
        ),
        (
            {"allowed_extensions": ["pdf"]},
            upload("Makefile", b"x"),
            "File extension 'makefile' is not allowed (allowed: pdf)",
        ),
    ],
)
def test_a_file_that_is_not_taken_is_an_error_and_its_message_is_answered(
    gateway: Gateway,
    server: RunningServer,
    settings: dict[str, Any],
    file: dict[str, str],
    said: str,
):
    with stored_settings(server, "attachments", **settings), chat_socket(gateway.client) as socket:
        say(socket, "hello", attachments=[file])
        error = receive(socket)
        frames = read_until(socket, END)

    assert error == {"type": "error", "message": said}
    assert text_of(frames) == "You said: hello"


def test_files_of_a_text_that_joins_a_run_are_kept(gateway: Gateway, files: Path):
    key = new_key()
    busy = "!say working\n!sleep 1\n!tool now {}\n!turn\n!say never reached"

    with chat_socket(gateway.client) as socket:
        say(socket, busy, channel_session_key=key)
        read_until(socket, "text_delta")
        say(socket, "and this", channel_session_key=key, attachments=[upload("b.txt", b"more")])
        frames = read_until(socket, END)

    (path,) = noted(text_of(frames))
    assert stored(files, path).read_bytes() == b"more"


def test_an_image_is_given_to_the_model_by_its_hash_and_kept_with_the_run(gateway: Gateway):
    key = new_key()

    with chat_socket(gateway.client) as socket:
        image = upload("dot.png", PNG, "image/png")
        first = ask(socket, "see", channel_session_key=key, attachments=[image])[-1]["run_id"]
        second = ask(socket, "and now?", channel_session_key=key)[-1]["run_id"]

    for run_id in (first, second):
        state = gateway.get(f"/v1/runs/{run_id}/state")["state"]
        (shown,) = state["messages"][0]["images"]
        assert shown["media_type"] == "image/png"
        (kept,) = gateway.get(f"/v1/runs/{run_id}/artifacts")
        assert shown["digest"].startswith(kept["artifact_id"])


def test_other_peoples_files_are_not_there(as_role: AsRole):
    ada, bob = as_role("user"), as_role("operator")
    with chat_socket(ada.client) as socket:
        (path,) = noted(text_of(ask(socket, "look", attachments=[upload("a.txt", b"mine")])))

    def seen_by(gateway: Gateway, tool: str, path: str) -> str:
        arguments = json.dumps({"path": path})
        reply = gateway.chat(f"!tool {tool} {arguments}\n!turn\n!say done")
        rows = gateway.get(f"/api/sessions/{reply['session_id']}/messages")
        shown: str = next(row["content"] for row in rows if row["role"] == "tool_result")
        return shown

    assert "mine" in seen_by(ada, "read_file", path)
    assert "a.txt" in seen_by(ada, "list_files", "downloads")
    for tool, place in (
        ("read_file", path),
        ("attach", f"./{path}"),
        ("list_files", "downloads"),
        ("list_files", "downloads//"),
    ):
        assert "there is no such file" in seen_by(bob, tool, place)
    folders = seen_by(bob, "list_files", "")
    assert "a.txt" not in folders
