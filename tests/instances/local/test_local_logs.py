"""The log of an instance: read from its end, followed, and kept small while it is read."""

import asyncio
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from instances.backends.local.logfile import LogReader, rotate


def test_the_tail_is_the_last_lines(tmp_path: Path):
    log = write(tmp_path / "log", lines(0, 20_000))

    assert tail(log, 3) == lines(19_997, 20_000)
    assert tail(log, 0) == b""
    assert tail(log, 50_000) == lines(0, 20_000)


def test_the_tail_of_nothing_is_nothing(tmp_path: Path):
    assert tail(tmp_path / "log", 10) == b""


def test_the_tail_reaches_into_what_was_put_away(tmp_path: Path):
    log = write(tmp_path / "log", lines(0, 100))
    rotate(log, limit=1)
    write(log, lines(100, 105))

    assert tail(log, 8) == lines(97, 105)


def test_a_log_is_put_away_when_it_is_too_long(tmp_path: Path):
    log = write(tmp_path / "log", lines(0, 100))

    rotate(log, limit=10_000)
    assert not (tmp_path / "log.1").exists()
    rotate(log, limit=100)

    assert log.read_bytes() == b""
    assert (tmp_path / "log.1").read_bytes() == lines(0, 100)
    assert (tmp_path / "log.1").stat().st_mode & 0o777 == 0o600


def test_a_process_that_appends_goes_on_in_the_emptied_file(tmp_path: Path):
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as process:
        process.write(lines(0, 100))
        rotate(log, limit=1)
        process.write(lines(100, 101))

    assert log.read_bytes() == lines(100, 101)


def test_what_is_appended_is_read_once_while_the_log_is_put_away(tmp_path: Path):
    log = write(tmp_path / "log", lines(0, 10))
    with closing(LogReader(log)) as reader:
        read = reader.tail(5)

        write(log, lines(10, 20))
        read += reader.new()
        write(log, lines(20, 30))
        rotate(log, limit=1)
        write(log, lines(30, 300))  # longer than what was put away
        read += reader.new()
        rotate(log, limit=1)
        read += reader.new()

    assert read == lines(5, 300)


def test_of_a_log_that_grew_far_too_long_the_end_is_kept_in_whole_lines(tmp_path: Path):
    log = write(tmp_path / "log", lines(0, 100))
    with closing(LogReader(log)) as reader:
        reader.tail(0)
        write(log, lines(100, 9_000))

        rotate(log, limit=1, kept=50_000)
        write(log, lines(9_000, 9_001))

        read = b"".join(iter(reader.new, b""))

    kept = (tmp_path / "log.1").read_bytes()
    assert 49_900 < len(kept) <= 50_000
    assert lines(100, 9_000).endswith(b"\n" + kept)
    assert read == kept + lines(9_000, 9_001)


def test_what_was_put_away_unread_is_read_on_from_where_it_was_left(tmp_path: Path):
    log = write(tmp_path / "log", lines(0, 50_000))
    with closing(LogReader(log)) as reader:
        reader.tail(0)
        write(log, lines(50_000, 80_000))

        rotate(log, limit=1, kept=600_000)
        write(log, lines(80_000, 80_001))

        pieces = [*iter(reader.new, b"")]

    assert b"".join(pieces) == lines(50_000, 80_001)
    assert max(map(len, pieces)) <= 64 * 1024


async def test_following_ends_when_the_log_is_gone(tmp_path: Path):
    log = write(tmp_path / "log", b"")
    reader = LogReader(log)
    reader.tail(0)
    async with aclosing(reader.follow()) as pieces:
        write(log, lines(0, 1))
        first = await anext(pieces)
        write(log, lines(1, 3))
        log.unlink()

        rest = [piece async for piece in pieces]

    assert (first, rest) == (lines(0, 1), [lines(1, 3)])
    reader.close()


async def test_following_can_be_left_at_any_time(tmp_path: Path):
    with closing(LogReader(write(tmp_path / "log", b""))) as reader:
        waiting = asyncio.create_task(anext(reader.follow()))
        await asyncio.sleep(0.01)

        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting


# --- Helpers ----------------------------------------------------------------------------------


def tail(log: Path, count: int) -> bytes:
    with closing(LogReader(log)) as reader:
        return reader.tail(count)


def lines(first: int, end: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, end))


def write(log: Path, content: bytes) -> Path:
    with log.open("ab") as file:
        file.write(content)
    return log
