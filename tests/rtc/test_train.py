"""The arithmetic of a train, with packets that are lost, late, repeated and made up."""

import pytest

from romantic.rtc.train import Train


def echo(n, c):
    return {"t": "e", "n": n, "c": c, "x": ""}


def ride(packets, *, down=(), up=(), rtt=0.05):
    """Send a train of which some packets do not arrive, and some echoes do not come back."""
    train, arrived = Train(), 0
    for n in range(packets):
        train.send(n * 0.02)
        if n in down:
            continue
        arrived += 1
        if n not in up:
            assert train.take(echo(n, arrived), at=n * 0.02 + rtt)
    return train.figures()


def test_a_whole_train_loses_nothing():
    figures = ride(100)

    assert (figures.loss_up, figures.loss_down) == (0, 0)
    assert (figures.rtt_ms, figures.rtt_p95_ms) == (pytest.approx(50), pytest.approx(50))
    assert figures.jitter_ms == pytest.approx(0)


def test_each_direction_has_its_own_loss():
    figures = ride(100, down=range(10), up=range(10, 19))

    assert figures.loss_down == pytest.approx(0.10)
    assert figures.loss_up == pytest.approx(0.10)  # nine of the ninety that arrived


def test_jitter_is_smoothed_over_sixteen():
    train = Train()
    for n, rtt in enumerate((0.1, 0.132)):
        train.send(n)
        train.take(echo(n, n + 1), at=n + rtt)

    assert train.figures().jitter_ms == pytest.approx(2.0)


@pytest.mark.parametrize(
    "body",
    [
        echo(0, 1),
        echo(99, 1),
        echo(-1, 1),
        echo("1", 1),
        echo(True, 1),
        echo([], 1),
        {"t": "pong", "n": 1},
        {},
        [],
        None,
        "e",
    ],
)
def test_only_the_first_echo_of_a_number_of_ours_counts(body):
    train = Train()
    train.send(0.0)
    train.send(0.02)
    train.take(echo(0, 1), at=0.05)

    assert not train.take(body, at=0.06)
    assert train.echoed == 1


@pytest.mark.parametrize("claim", [10**9, -5, "many", None, 0.5, True])
def test_a_client_cannot_claim_more_or_less_than_can_be(claim):
    train = Train()
    for n in range(4):
        train.send(float(n))
    for n in range(2):
        train.take(echo(n, claim), at=n + 0.1)

    figures = train.figures()

    assert 0 <= figures.loss_up <= 1
    assert 0 <= figures.loss_down <= 1


def test_without_an_echo_only_the_way_down_is_known():
    train = Train()
    train.send(0.0)

    assert train.figures().loss_down == 1.0
    assert (train.figures().rtt_ms, train.figures().loss_up) == (None, None)
    assert Train().figures().loss_down is None
