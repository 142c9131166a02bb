from datetime import UTC, datetime

import pytest

from bench.core.numbers import Percentiles
from bench.core.subscribers import unix_ns
from project.lib.clock import to_rfc3339


def test_percentiles_are_values_that_were_measured():
    ranked = Percentiles.of([float(number) for number in range(1, 101)])

    assert (ranked.count, ranked.p50, ranked.p99, ranked.worst) == (100, 50.0, 99.0, 100.0)


def test_nothing_has_no_percentiles():
    with pytest.raises(ValueError, match="no values"):
        Percentiles.of([])


def test_timestamps_are_read_to_the_nanosecond():
    at = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000_000 + 123_456_789

    assert unix_ns(to_rfc3339(at)) == at
