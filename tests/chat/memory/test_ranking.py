"""What comes first: time, the fusion of two rankings, and variety."""

from datetime import date, timedelta

import pytest

from chat.memory.ranking import decay, diversify, fuse, wanted_candidates

TODAY = date(2026, 11, 30)


def decay_of(source: str, half_life_days: float = 30.0) -> float:
    return decay(source, today=TODAY, half_life_days=half_life_days)


@pytest.mark.parametrize(
    ("days", "factor"),
    [
        (0, 1.0),
        (1, 0.977160),
        (7, 0.850667),
        (15, 0.707107),
        (30, 0.5),
        (60, 0.25),
        (90, 0.125),
        (-3, 1.0),  # written in a time zone that is ahead
    ],
)
def test_the_log_of_a_day_counts_half_after_each_half_life(days: int, factor: float):
    source = f"memory/{TODAY - timedelta(days=days)}.md"

    assert decay_of(source) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize("source", ["SOUL.md", "USER.md", "MEMORY.md", "HEARTBEAT.md"])
def test_who_somebody_is_does_not_age(source: str):
    assert decay_of(source) == 1.0


@pytest.mark.parametrize(
    "source",
    ["notes.md", "memory/plans.md", "memory/2026-02-31.md", "memory/a/2026-11-30.md", "BOOT.md"],
)
def test_everything_else_counts_a_little_less(source: str):
    assert decay_of(source) == 0.8


def test_however_old_it_is_a_score_is_never_lost():
    assert 0 < decay_of("memory/0001-01-01.md", half_life_days=0.001) < 1e-300


def test_places_in_two_rankings_add_up():
    scores = fuse([["a", "b", "c"], ["a", "c"]])

    assert scores["a"] == pytest.approx(-2 / 60)
    assert scores["c"] == pytest.approx(-(1 / 62 + 1 / 61))
    assert sorted(scores, key=scores.__getitem__) == ["a", "c", "b"]
    assert fuse([["a", "b"], ["b", "a"]])["a"] == pytest.approx(-0.033060, abs=1e-6)


def test_what_says_the_same_again_comes_later():
    twins = {(0, 1), (1, 0)}

    def likeness(one: int, other: int) -> float:
        return 1.0 if (one, other) in twins else 0.0

    relevance = [0.9, 0.89, 0.6]

    assert diversify(relevance, likeness, trade=0.7, limit=3) == [0, 2, 1]
    assert diversify(relevance, likeness, trade=1.0, limit=3) == [0, 1, 2]
    assert diversify(relevance, likeness, trade=0.7, limit=1) == [0]
    assert diversify([], likeness, trade=0.7, limit=3) == []


def test_more_is_looked_at_than_is_asked_for():
    assert [wanted_candidates(limit) for limit in (1, 10, 11, 100)] == [30, 30, 33, 300]
