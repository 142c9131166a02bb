"""The promise of durability, kept under `kill -9`; `kill_nine.py` runs it for longer."""

from pathlib import Path

from tests.e2e.kill_nine import run_campaign


def test_no_promise_breaks_when_the_server_is_killed_in_the_middle_of_its_work(tmp_path: Path):
    campaign = run_campaign(kills=5, runs=20, seed=9, data_dir=tmp_path)

    assert campaign.broken == []
    assert len(campaign.accepted) >= 20
    assert campaign.takeovers > 0  # the kills did hit something
