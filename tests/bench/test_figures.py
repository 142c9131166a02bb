"""Every figure runs, at a size at which its numbers mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.core.machine import ROOT
from bench.figures.catalogue import FIGURES


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [figure.name for figure in FIGURES])
def test_a_figure_measures_each_row_beside_a_yardstick(name: str, tmp_path: Path):
    done = run_bench(name, "--scale", "tiny", "--json", "--save-to", str(tmp_path))

    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["figures"][name]
    assert rows
    for row in rows:
        assert row["label"] and row["unit"] and row["yardstick"]
        assert row["value"] >= 0 and row["yardstick_value"] >= 0


def test_the_key_of_all_requests_is_verified_once(tmp_path: Path):
    done = run_bench("argon2", "--scale", "tiny", "--json", "--save-to", str(tmp_path))

    (row,) = json.loads(done.stdout)["figures"]["argon2"]
    assert (row["value"], row["is_met"]) == (1, True)


def test_the_results_are_kept_in_a_file(tmp_path: Path):
    done = run_bench("validation", "--scale", "tiny", "--json", "--save-to", str(tmp_path))

    (kept,) = tmp_path.iterdir()
    assert json.loads(kept.read_text()) == json.loads(done.stdout)


def test_an_unknown_figure_is_refused_with_the_names_of_the_known_ones():
    done = run_bench("speed")

    assert done.returncode == 2
    assert "there is no figure 'speed'; there are appends, " in done.stderr


def test_only_a_full_measurement_may_enter_the_documentation():
    done = run_bench("validation", "--quick", "--update-docs")

    assert done.returncode == 2
    assert "--update-docs wants a full measurement" in done.stderr
