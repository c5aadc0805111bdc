"""The lessons on producing, with a real broker, the SDK and links: what is sure by physics, never how fast it is."""

import pytest

from zakar.lab import bench, preset, sdk
from zakar.lab.lessons import limits, nonblocking

pytestmark = pytest.mark.slow


def test_time_outs_come_where_the_drain_passes_the_deadline_by_far_and_not_where_it_is_far_below():
    # A megabit a second takes 179 messages of the SDK's 697 bytes; the deadline is 3 s.
    with bench.opened(None, 0, print, quick=True) as lab, preset.crossing(lab.url, preset.read("slow-dsl")) as url:
        few, many = _flooded(lab, url, 90), _flooded(lab, url, 1_600)
    assert few == (0, 90, 90)  # they drain in 0.7 s
    late, acknowledged, stored = many  # in 9 s
    assert late > 0
    assert acknowledged + late == 1_600
    assert acknowledged <= stored <= 1_600


def test_the_same_on_a_fast_link_is_acknowledged_whole():
    with bench.opened(None, 0, print, quick=True) as lab, preset.crossing(lab.url, preset.read("home")) as url:
        assert _flooded(lab, url, 1_600) == (0, 1_600, 1_600)  # in 0.5 s


def _flooded(lab: bench.Bench, url: str, messages: int) -> tuple[int, int, int]:
    """Return how many timed out, were acknowledged, and were stored by the time the program had ended."""
    with lab.station() as place:
        sent = lab.call(sdk.flood, url, place, messages, 512, 3.0)
        return sent.late, sent.acknowledged, lab.stored(place) - 1


def test_no_window_brings_more_than_it_can_in_a_round_trip(monkeypatch: pytest.MonkeyPatch):
    windows = {nonblocking.SLIDING: (1, 64), nonblocking.HALVED: (64,), nonblocking.SDK: (64,)}
    monkeypatch.setattr(nonblocking, "_QUICK", windows)
    with bench.opened(None, 0, print, quick=True) as lab:
        lesson = nonblocking.lesson(lab)
    points = [point for point in lesson.graphs[0].points if point.series != nonblocking.AUTO]
    assert [(point.series, point.x) for point in points] == [
        (series, float(window)) for series, of in windows.items() for window in of
    ]
    assert all(0 < rate <= point.x / 0.060 for point in points for rate in point.values)


def test_a_limit_whose_window_drains_too_late_times_out_and_zakars_own_window_does_not(monkeypatch: pytest.MonkeyPatch):
    # 4 Mbit/s take 717 messages of the SDK a second: 2,400 of them take 3.4 s, 100 take 0.24 s; the deadline is 1 s.
    monkeypatch.setattr(limits, "_QUICK", {limits.SDK: (2_400, 100)})
    monkeypatch.setattr(limits, "_QUICK_MESSAGES", 2_400)
    monkeypatch.setattr(limits, "_QUICK_ROUNDS", 1)
    with bench.opened(None, 0, print, quick=True) as lab:
        (table,) = limits.lesson(lab).tables
    late = {row[0]: float(row[-1].rstrip("%")) for row in table.rows}
    assert late["Memphis SDK, limit 2,400"] > 0
    assert late["Memphis SDK, limit 100"] == late[limits.AUTO] == 0
