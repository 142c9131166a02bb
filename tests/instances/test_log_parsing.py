"""Log streams: bytes in, entries out, whatever the pieces and whatever the lines."""

import pytest

from instances.logs import CUT_MARK, MAX_LINE_BYTES, LogParser, as_line, entry_of_text, parse_line
from instances.objects import LogEntry

LINE = '{"timestamp":1774015509,"level":"warn","message":"Größe: 5 €"}'
ENTRY = LogEntry(1774015509, "warn", "Größe: 5 €")
SHORT = LogEntry(1774015509, "info", "m")


def parse(*pieces: bytes) -> list[LogEntry]:
    parser = LogParser()
    entries = [entry for piece in pieces for entry in parser.feed(piece)]
    return entries + parser.finish()


@pytest.mark.parametrize("end", ["\n", "\r\n", "  \n", ""])
def test_a_line_of_json_is_an_entry(end: str):
    assert parse((LINE + end).encode()) == [ENTRY]


def test_pieces_may_end_anywhere_also_within_a_character():
    data = (LINE + "\n" + LINE).encode()

    for cut in range(len(data)):
        assert parse(data[:cut], data[cut:]) == [ENTRY, ENTRY]


def test_one_byte_at_a_time_gives_the_same():
    assert parse(*(bytes([byte]) for byte in LINE.encode() + b"\n")) == [ENTRY]


def test_an_entry_is_there_as_soon_as_its_line_is():
    parser = LogParser()

    assert parser.feed(LINE.encode()) == []
    assert parser.feed(b"\nnext") == [ENTRY]


def test_blank_lines_are_skipped():
    assert parse(b"\n  \n\r\n\t\n" + LINE.encode() + b"\n\n") == [ENTRY]


def test_the_last_line_counts_without_its_end_and_only_once():
    parser = LogParser()
    parser.feed(b"the end")

    assert parser.finish() == [LogEntry(0, "info", "the end")]
    assert parser.finish() == []


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("just text", LogEntry(0, "info", "just text")),
        ("2026-03-20T14:05:09.123Z WARN full", LogEntry(1774015509, "warn", "full")),
        ("2026-03-20T15:05:09+01:00 ERROR: bad", LogEntry(1774015509, "error", "bad")),
        ("2026-03-20 14:05:09,123 DEBUG x", LogEntry(1774015509, "debug", "x")),
        ("[2026-03-20 14:05:09] [info    ] ready", LogEntry(1774015509, "info", "ready")),
        ("2026-03-20T14:05:09Z no level", LogEntry(1774015509, "info", "no level")),
        ("[ERROR] broken", LogEntry(0, "error", "broken")),
        ("[warning] careful", LogEntry(0, "warn", "careful")),
        ("INFO hello", LogEntry(0, "info", "hello")),
        ("ERR x", LogEntry(0, "error", "x")),
        ("FATAL x", LogEntry(0, "error", "x")),
        ("TRACE x", LogEntry(0, "debug", "x")),
        ("error: cannot open", LogEntry(0, "error", "cannot open")),
        ("Error opening a file", LogEntry(0, "info", "Error opening a file")),
        ("INFORMATION desk", LogEntry(0, "info", "INFORMATION desk")),
        ("9999-99-99T99:99:99Z x", LogEntry(0, "info", "x")),
    ],
)
def test_a_line_of_text_gives_its_time_and_level(text: str, entry: LogEntry):
    assert entry_of_text(text) == entry


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ('{"message":"m"}', LogEntry(0, "info", "m")),
        (
            '{"event":"m","level":"INFO","timestamp":"2026-03-20T14:05:09Z"}',
            SHORT,
        ),
        ('{"msg":"m","level":"Info","ts":1774015509.9}', SHORT),
        ('{"message":"m","level":"info","timestamp":1774015509123}', SHORT),
        ('{"message":"m","level":"fatal","timestamp":-1}', LogEntry(0, "error", "m")),
        ('{"message":"m","level":"audit","more":[1]}', LogEntry(0, "audit", "m")),
        ('{"message":"m","level":7,"timestamp":true}', LogEntry(0, "info", "m")),
    ],
)
def test_fields_are_read_as_far_as_they_can_be(line: str, entry: LogEntry):
    assert parse_line(line.encode()) == entry


@pytest.mark.parametrize("line", ['{"message":', "[1]", '"text"', "7", '{"message":5}', "{}"])
def test_what_is_no_entry_is_text(line: str):
    assert parse_line(line.encode()) == LogEntry(0, "info", line)


def test_bytes_that_are_no_characters_are_replaced():
    assert parse(b"caf\xe9 \xff\n") == [LogEntry(0, "info", "caf� �")]


def test_a_line_that_never_ends_is_cut_and_shown_at_once():
    parser = LogParser()

    shown = parser.feed(b"x" * (MAX_LINE_BYTES + 1))

    assert [entry.message for entry in shown] == ["x" * MAX_LINE_BYTES + CUT_MARK]
    assert parser.feed(b"y" * MAX_LINE_BYTES) == []
    assert parser.feed(b"z\nnext\n") == [LogEntry(0, "info", "next")]


def test_a_long_line_that_comes_whole_is_cut_where_a_character_ends():
    (entry,) = parse("€".encode() * MAX_LINE_BYTES + b"\n")

    assert entry.message == "€" * (MAX_LINE_BYTES // 3) + CUT_MARK


def test_an_entry_is_written_as_it_is_read():
    assert as_line(ENTRY) == LINE.encode() + b"\n"
