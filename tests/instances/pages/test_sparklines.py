"""Small charts: what they draw, and what they say to those who do not see them."""

import pytest

from instances.pages.sparklines import HEIGHT, MARGIN, WIDTH, Series, draw


def places(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]


def test_the_line_goes_from_the_oldest_to_the_newest_and_up_with_the_values():
    [line] = draw(Series("CPU", "%", [0, 50, 100], top=100)).lines

    assert places(line) == [
        (MARGIN, HEIGHT - MARGIN),
        (WIDTH / 2, HEIGHT / 2),
        (WIDTH - MARGIN, MARGIN),
    ]


def test_a_gap_is_not_bridged_unless_the_monitor_looks_that_seldom():
    values = [1, 2, None, None, 3, 4]

    assert len(draw(Series("CPU", "%", values)).lines) == 2
    assert len(draw(Series("CPU", "%", values, bridged=1)).lines) == 2
    assert len(draw(Series("CPU", "%", values, bridged=2)).lines) == 1


def test_a_single_measurement_can_be_seen():
    [line] = draw(Series("CPU", "%", [None, 5, None])).lines

    [(left, _), (right, _)] = places(line)
    assert left < right


@pytest.mark.parametrize("values", [[], [None], [None, None]])
def test_where_nothing_was_measured_nothing_is_drawn(values):
    chart = draw(Series("CPU", "%", values))

    assert (chart.lines, chart.words) == ((), "nothing was measured")


@pytest.mark.parametrize("value", [0, -5, 1e12])
def test_every_value_lies_on_the_drawing(value):
    [line] = draw(Series("Memory", "MB", [value, 1], limit=10)).lines

    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(line))


def test_words_tell_what_the_drawing_shows():
    chart = draw(Series("Age of the heartbeat", "s", [10, 95, 1200], limit=90))

    assert chart.words == "latest 1,200 s, lowest 10 s, highest 1,200 s, limit 90 s"
    assert chart.latest == "1,200 s"
