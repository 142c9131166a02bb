"""Conversations survive a kill -9; `chat_load.py` does it with many more and measures."""

from pathlib import Path

import pytest

from tests.e2e.chat_load import run_load


@pytest.mark.parametrize("with_kill", [False, True])
def test_every_client_ends_with_its_whole_answer_in_order(tmp_path: Path, with_kill: bool):
    load = run_load(sockets=12, deltas=30, per_second=20.0, data_dir=tmp_path, with_kill=with_kill)

    assert load.broken == []
