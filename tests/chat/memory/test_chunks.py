"""How documents are cut: the contract's vectors, without the last chunk that repeats a tail."""

import pytest

from chat.memory.chunks import Chunk, cut


def lines_of(content: str, *, size: int = 1_600, overlap: int = 320) -> list[tuple[int, int]]:
    return [
        (chunk.line_start, chunk.line_end) for chunk in cut(content, size=size, overlap=overlap)
    ]


@pytest.mark.parametrize(
    ("count", "length", "chunks"),
    [
        (20, 99, [(1, 16), (13, 20)]),
        (40, 99, [(1, 16), (13, 28), (25, 40)]),
        (10, 50, [(1, 10)]),
        (5, 50, [(1, 5)]),
        (1, 5_000, [(1, 1)]),
        (3, 2_000, [(1, 1), (2, 2), (3, 3)]),
    ],
)
def test_lines_are_taken_until_the_size_is_reached_and_overlap(
    count: int, length: int, chunks: list[tuple[int, int]]
):
    content = "\n".join(["x" * length] * count)

    assert lines_of(content) == chunks
    assert lines_of(content + "\n") == chunks


def test_sizes_are_bytes_not_characters():
    assert lines_of("\n".join(["ü" * 99] * 20)) == [(1, 9), (8, 16), (15, 20)]


def test_a_chunk_has_whole_lines_without_their_ends():
    chunks = list(cut("one\r\n\r\ntwo\u2028still two\n", size=1_600, overlap=320))

    assert chunks == [Chunk("one\n\ntwo\u2028still two", 1, 3)]


def test_blank_chunks_are_left_out():
    blank, text = "\n" * 400, "x" * 200

    assert lines_of(blank + text, size=200, overlap=0) == [(401, 401)]
    assert lines_of(" \n\t\n") == []
    assert lines_of("") == []


def test_the_smallest_sizes_come_to_an_end():
    assert lines_of("a\nb\nc", size=1, overlap=0) == [(1, 1), (2, 2), (3, 3)]
    assert lines_of("a\nb\nc", size=2, overlap=50) == [(1, 1), (2, 2), (3, 3)]
