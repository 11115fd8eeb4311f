"""Numbered pings and what their pongs prove."""

from math import nan

import pytest

from romantic.rtc import Beat, Beats


@pytest.fixture
def beats() -> Beats:
    return Beats()


def test_pings_are_numbered_from_one(beats):
    assert [beats.ping(at) for at in (0.0, 1.0, 2.0)] == [1, 2, 3]


def test_pong_counts_once(beats):
    n = beats.ping(0.0)

    assert [beats.pong(n, 0.1), beats.pong(n, 0.2)] == [True, False]
    assert beats.answered == 1


@pytest.mark.parametrize("n", [0, -1, 2, 10**30])
def test_pong_to_a_ping_never_sent_is_no_evidence(beats, n):
    beats.ping(0.0)

    assert not beats.pong(n, 0.1)


def test_only_the_last_thirty_pings_can_be_answered(beats):
    for second in range(31):
        beats.ping(float(second))

    assert [beats.pong(1, 31.0), beats.pong(2, 31.0)] == [False, True]


def test_round_trip_is_the_last_one_and_its_median_resists_a_pause(beats):
    for second, rtt in enumerate((0.040, 0.050, 0.900, 0.060)):
        beats.pong(beats.ping(float(second)), second + rtt)

    assert beats.rtt_ms == pytest.approx(60)
    assert beats.rtt_median_ms() == pytest.approx(55)
    assert beats.rtt_median_ms(last=3) == pytest.approx(60)


def test_there_is_no_round_trip_before_the_first_pong(beats):
    beats.ping(0.0)

    assert (beats.rtt_ms, beats.rtt_median_ms(), beats.jitter_ms, beats.loss) == (None, None, 0.0, 0.0)


def test_jitter_follows_rfc_3550(beats):
    for second, rtt in enumerate((0.040, 0.056, 0.040)):
        beats.pong(beats.ping(float(second)), second + rtt)

    # J = 16/16 = 1, then J = 1 + (16 - 1)/16
    assert beats.jitter_ms == pytest.approx(1.9375)


def test_loss_counts_what_stayed_unanswered_for_two_seconds(beats):
    for second in range(10):
        n = beats.ping(float(second))
        if n % 2:
            beats.pong(n, second + 0.05)

    # 2, 4, 6 and 8 are lost, 10 has just left.
    assert beats.loss == pytest.approx(4 / 9)


def test_a_late_pong_is_no_loss_after_all(beats):
    for second in range(5):
        beats.ping(float(second))
    assert beats.loss == 1.0

    for n in range(1, 6):
        beats.pong(n, 5.0)

    assert beats.loss == 0.0


def test_loss_forgets_what_is_long_ago(beats):
    for second in range(5):
        beats.ping(float(second))
    for second in range(5, 105):
        beats.pong(beats.ping(float(second)), second + 0.05)

    assert beats.loss == 0.0


def test_memory_is_bounded_however_long_a_call_lasts(beats):
    for second in range(10_000):
        beats.pong(beats.ping(float(second)) - second % 2, second + 0.05)

    assert (len(beats._outstanding), len(beats._window), len(beats._round_trips)) <= (30, 100, 60)


def test_full_pong_becomes_a_beat(beats):
    beats.ping(1.0)

    beat = beats.take(
        {
            "t": "pong",
            "n": 1,
            "c": 1,
            "rx": {"a": 81234, "v": 912345},
            "tx": {"a": 80111},
            "q": {"rttMs": 41, "lossPct": 0.3, "jitterMs": 4, "pair": "srflx/prflx", "more": 1},
        },
        at=1.5,
    )

    quality = {"rttMs": 41, "lossPct": 0.3, "jitterMs": 4, "pair": "srflx/prflx"}
    assert beat == Beat(n=1, at=1.5, rx=993579, tx=80111, quality=quality)


@pytest.mark.parametrize("n", ["1", 1.0, True, None, [1], nan])
def test_number_that_is_no_integer_makes_no_beat(beats, n):
    beats.ping(0.0)

    assert beats.take({"n": n}, at=0.1) is None
    assert beats.pong(1, 0.2)


@pytest.mark.parametrize("body", [None, [1, 2], "pong", 7, {}])
def test_body_that_is_no_pong_makes_no_beat(beats, body):
    beats.ping(0.0)

    assert beats.take(body, at=0.1) is None


@pytest.mark.parametrize(
    "rx", [None, 5, [], {}, {"a": -1}, {"a": True}, {"a": 1.5}, {"a": nan}, {"a": 2**53}, {"a": 1, "v": "2"}]
)
def test_counter_that_is_not_valid_is_dropped_and_the_beat_stays(beats, rx):
    beats.ping(0.0)

    assert beats.take({"n": 1, "rx": rx, "tx": {"v": 7}}, at=0.1) == Beat(n=1, at=0.1, rx=None, tx=7)


@pytest.mark.parametrize(
    "view",
    [
        None,
        "good",
        {"rttMs": nan},
        {"rttMs": -1},
        {"lossPct": 101},
        {"jitterMs": True},
        {"pair": "host/<b>"},
        {"pair": ["host"]},
        {"rttMs": 10**400},
    ],
)
def test_view_of_the_call_that_is_not_plausible_is_dropped(beats, view):
    beats.ping(0.0)

    assert beats.take({"n": 1, "q": view}, at=0.1) == Beat(n=1, at=0.1)
