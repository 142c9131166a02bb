"""A fleet is watched whatever its backend does; `fleet_load.py` measures it with many more."""

from pathlib import Path

import pytest

from tests.e2e.fleet_load import run_load

pytestmark = pytest.mark.without_workers


def test_a_backend_that_hangs_leaves_no_polls_behind_and_no_instance_out(tmp_path: Path):
    load = run_load(instances=40, interval=1, rounds=2, hanging=1, data_dir=tmp_path)

    assert load.broken == []
