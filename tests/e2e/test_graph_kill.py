"""The promise of durability for graphs under `kill -9`; `graph_kill.py` runs it for longer."""

from pathlib import Path

from tests.e2e.graph_kill import run_graph_campaign


def test_graphs_go_on_as_if_the_server_had_not_been_killed(tmp_path: Path):
    campaign = run_graph_campaign(kills=3, runs=6, seed=3, data_dir=tmp_path)

    assert campaign.broken == []
    assert len(campaign.accepted) >= 6
    assert campaign.takeovers > 0  # the kills did hit something
