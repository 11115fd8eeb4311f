"""The E-model subset, against values of ITU-T G.107 and against each of its terms."""

import pytest

from romantic.emodel import estimated_mos, level, mos_of, one_way


@pytest.mark.parametrize(
    ("r", "mos"),
    [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (100, 4.5), (0, 1.0), (-7, 1.0)],
)
def test_rating_becomes_mos_as_in_annex_b(r, mos):
    assert mos_of(r=r) == pytest.approx(mos, abs=0.007)


@pytest.mark.parametrize("r", range(1, 8))
def test_mos_never_falls_below_one(r):
    assert mos_of(r=r) >= 1.0


@pytest.mark.parametrize(
    ("rtt_ms", "jitter_ms", "loss", "mos"),
    [
        (0, 0, 0, 4.409),  # R = 93.2
        (70, 20, 0, 4.409),  # exactly 100 ms of delay costs nothing yet
        (200, 5, 0, 4.398),
        (600, 5, 0, 3.691),
        (0, 100, 0, 4.269),  # a 200 ms jitter buffer
        (0, 0, 0.03, 4.134),  # Ie-eff = 95 * 3 / 28.1 = 10.14
        (0, 0, 0.05, 3.923),  # Ie-eff = 15.78
        (200, 0, 0.10, 3.383),
        (2000, 0, 0, 2.510),
        (0, 0, 1.0, 1.177),
    ],
)
def test_mos_is_estimated_from_delay_jitter_and_loss(rtt_ms, jitter_ms, loss, mos):
    assert estimated_mos(rtt_ms=rtt_ms, jitter_ms=jitter_ms, loss=loss) == pytest.approx(mos, abs=0.001)


@pytest.mark.parametrize(
    ("mos", "word"),
    [
        (4.5, "excellent"),
        (4.0, "excellent"),
        (3.99, "good"),
        (3.6, "good"),
        (3.59, "poor"),
        (2.6, "poor"),
        (2.59, "lost"),
    ],
)
def test_level_has_three_borders(mos, word):
    assert level(mos) == word


@pytest.mark.parametrize(("there_and_back", "there"), [(0.0, 0.0), (0.19, 0.1), (0.75, 0.5), (1.0, 1.0)])
def test_loss_of_a_round_trip_is_split_between_both_directions(there_and_back, there):
    assert one_way(round_trip_loss=there_and_back) == pytest.approx(there)


def test_a_worse_path_never_sounds_better():
    by_loss = [estimated_mos(rtt_ms=80, jitter_ms=5, loss=loss / 100) for loss in range(0, 30)]
    by_delay = [estimated_mos(rtt_ms=rtt_ms, jitter_ms=5, loss=0) for rtt_ms in range(0, 1500, 50)]

    assert by_loss == sorted(by_loss, reverse=True)
    assert by_delay == sorted(by_delay, reverse=True)
