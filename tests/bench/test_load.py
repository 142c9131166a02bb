"""Both load generators see the same server the same way."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.core.background import Listening, plain_application
from bench.core.load import WRK, Request, load_for, load_of

ECHO = Request("POST", "/echo", '{"goal": "hello"}')


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Listening]:
    with plain_application(tmp_path) as listening:
        yield listening


def test_our_client_sends_exactly_as_many_requests_as_it_was_told(server: Listening):
    report = load_of(server, [ECHO], connections=4, count=50, seconds=30)

    assert (report.answers, report.failed) == (50, 0)
    assert 0 < report.p50_ms <= report.p99_ms


def test_our_client_counts_refusals(server: Listening):
    requests = [Request("GET", "/json"), Request("GET", "/nowhere")]

    report = load_of(server, requests, connections=2, count=20, seconds=30)

    assert (report.answers, report.failed) == (20, 10)


def test_our_client_stops_when_the_time_is_over(server: Listening):
    report = load_for(server, [ECHO], connections=2, seconds=0.2)

    assert report.answers > 0
    assert report.failed == 0


@pytest.mark.skipif(WRK is None and os.environ.get("CI") != "true", reason="wrk is not installed")
def test_wrk_takes_method_body_and_paths_from_us(server: Listening):
    posts = load_for(server, [ECHO], connections=2, seconds=1)
    gets = load_for(server, [Request("GET", "/json")], connections=2, seconds=1)
    mixed = load_for(
        server, [Request("GET", "/json"), Request("GET", "/nowhere")], connections=1, seconds=1
    )

    assert posts.answers > 0 and posts.failed == 0
    assert gets.answers > 0 and gets.failed == 0
    assert abs(mixed.failed - mixed.answers / 2) <= 1
