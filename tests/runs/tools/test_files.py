import os
import socket
import threading
from pathlib import Path

import pytest

from runs.tools import sandbox
from runs.tools.base import ToolError
from runs.tools.builtin.files import list_files, read_file


async def test_it_reads_a_file_in_a_folder(files_dir, context):
    (files_dir / "notes").mkdir()
    (files_dir / "notes" / "a.txt").write_text("héllo")

    result = await read_file.execute({"path": "notes/./a.txt"}, context)

    assert result == {"contents": "héllo"}


async def test_it_lists_names_types_and_sizes_in_order(files_dir, context):
    (files_dir / "b.txt").write_text("12345")
    (files_dir / "a").mkdir()
    (files_dir / "link").symlink_to("b.txt")
    os.mkfifo(files_dir / "pipe")

    result = await list_files.execute({}, context)

    assert result == {
        "files": [
            {"name": "a", "type": "folder", "size": 0},
            {"name": "b.txt", "type": "file", "size": 5},
        ],
        "truncated": False,
    }


@pytest.fixture
def secret(files_dir) -> Path:
    """A file right outside of the sandbox."""
    path: Path = files_dir.parent / "secret.txt"
    path.write_text("top secret")
    return path


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "a/../../secret.txt",
        "a/..",
        "..",
        "{outside}/secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "file-link",
        "folder-link/secret.txt",
        "inside-link",
        "pipe",
        "socket",
        "a",
        ".",
        "",
        "missing.txt",
        "ok.txt/more",
        "ok.txt\0.png",
        "x" * 300,
        "file:///etc/passwd",
        "~/.ssh/id_rsa",
        "..\\secret.txt",
        "%2e%2e/secret.txt",
    ],
)
def test_it_refuses_every_way_out(path, files_dir, secret):
    (files_dir / "a").mkdir()
    (files_dir / "ok.txt").write_text("fine")
    (files_dir / "file-link").symlink_to(secret)
    (files_dir / "folder-link").symlink_to(secret.parent)
    (files_dir / "inside-link").symlink_to("ok.txt")
    os.mkfifo(files_dir / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(files_dir / "socket"))

        with pytest.raises(sandbox.Refused) as refusal:
            sandbox.read(files_dir, path.format(outside=secret.parent))

    assert "top secret" not in str(refusal.value)


def test_a_device_is_refused(tmp_path):
    with pytest.raises(sandbox.Refused, match="not a regular file"):
        sandbox.read(Path("/dev"), "null")


def test_a_folder_swapped_for_a_link_while_it_is_read_leads_nowhere(files_dir, secret):
    (files_dir / "a").mkdir()
    (files_dir / "a" / "secret.txt").write_text("harmless")
    is_over = threading.Event()

    def swap_back_and_forth():
        while not is_over.is_set():
            (files_dir / "a").rename(files_dir / "b")
            (files_dir / "a").symlink_to(secret.parent)
            (files_dir / "a").unlink()
            (files_dir / "b").rename(files_dir / "a")

    swapper = threading.Thread(target=swap_back_and_forth)
    swapper.start()
    try:
        contents = {_read_or_refuse(files_dir, "a/secret.txt") for _ in range(2000)}
    finally:
        is_over.set()
        swapper.join()

    assert contents <= {b"harmless", b"refused"}


def _read_or_refuse(root: Path, path: str) -> bytes:
    try:
        return sandbox.read(root, path)
    except sandbox.Refused:
        return b"refused"


def test_a_file_above_one_mebibyte_is_an_error_and_never_cut(files_dir):
    (files_dir / "fits").write_bytes(b"x" * 1_048_576)
    (files_dir / "large").write_bytes(b"x" * 1_048_577)

    assert len(sandbox.read(files_dir, "fits")) == 1_048_576
    with pytest.raises(sandbox.Refused, match="larger than 1,048,576 bytes"):
        sandbox.read(files_dir, "large")


async def test_a_file_that_is_not_text_is_refused(files_dir, context):
    (files_dir / "image.png").write_bytes(b"\x89PNG\xff")

    with pytest.raises(ToolError, match="not a UTF-8 text file"):
        await read_file.execute({"path": "image.png"}, context)


async def test_listing_outside_is_refused(files_dir, context):
    with pytest.raises(ToolError, match="may not contain"):
        await list_files.execute({"path": "../"}, context)


async def test_a_replay_sees_the_file_as_it_was(files_dir, context):
    (files_dir / "a.txt").write_text("before")
    await read_file.execute({"path": "a.txt"}, context)
    (files_dir / "a.txt").write_text("after")

    replayed = await read_file.execute({"path": "a.txt"}, context.replay())

    assert replayed == {"contents": "before"}


async def test_a_replay_repeats_a_refusal_even_if_the_file_exists_by_now(files_dir, context):
    with pytest.raises(ToolError):
        await read_file.execute({"path": "a.txt"}, context)
    (files_dir / "a.txt").write_text("here now")

    with pytest.raises(ToolError, match="no such file"):
        await read_file.execute({"path": "a.txt"}, context.replay())


async def test_the_files_folder_is_made_when_it_is_missing(tmp_path, settings, context):
    settings.STARPORT_FILES_DIR = tmp_path / "new" / "files"

    assert await list_files.execute({}, context) == {"files": [], "truncated": False}
