"""Every rule of a verdict at its border, and every pair of networks."""

from dataclasses import replace

import pytest

from romantic.probe.verdict import ADVICE, Findings, forecast, judge

GOOD = Findings(
    answered=True,
    udp=True,
    channel=True,
    nat_mapping="cone",
    rtt_ms=40.0,
    jitter_ms=2.0,
    loss_up=0.0,
    loss_down=0.0,
    mos=4.4,
    lag_ms=3.0,
)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "direct"),
        ({"nat_mapping": "none"}, "direct"),
        ({"answered": False}, "inconclusive"),
        ({"udp": False}, "udp-blocked"),
        ({"udp": False, "lag_ms": 500.0}, "udp-blocked"),
        ({"lag_ms": 50.0}, "direct"),
        ({"lag_ms": 50.1}, "inconclusive"),
        ({"channel": False, "mos": None}, "unusable"),
        ({"loss_up": 0.12}, "unusable"),
        ({"loss_up": None, "loss_down": 1.0, "mos": None, "rtt_ms": None}, "unusable"),
        ({"mos": 2.59}, "unusable"),
        ({"mos": 2.6}, "degraded"),
        ({"nat_mapping": "symmetric"}, "relay-needed"),
        ({"nat_mapping": "symmetric", "loss_down": 0.2}, "unusable"),
        ({"nat_mapping": "symmetric", "loss_down": 0.05}, "relay-needed"),
        ({"nat_mapping": "unknown"}, "inconclusive"),
        ({"nat_mapping": "unknown", "mos": 3.0}, "inconclusive"),
        ({"loss_down": 0.03}, "degraded"),
        ({"loss_down": 0.029}, "direct"),
        ({"rtt_ms": 400.1}, "degraded"),
        ({"rtt_ms": 400.0}, "direct"),
        ({"jitter_ms": 40.1}, "degraded"),
        ({"jitter_ms": 40.0}, "direct"),
        ({"mos": 3.59}, "degraded"),
        ({"mos": 3.6}, "direct"),
    ],
)
def test_first_rule_that_fits_decides(change, verdict):
    assert judge(replace(GOOD, **change)) == verdict


def test_every_verdict_has_its_advice():
    assert set(ADVICE) == {
        "inconclusive", "udp-blocked", "unusable", "relay-needed", "degraded", "direct",
    }  # fmt: skip


CONE = {"verdict": "direct", "nat_mapping": "cone"}
OPEN = {"verdict": "direct", "nat_mapping": "none"}
POOR = {"verdict": "degraded", "nat_mapping": "cone"}
SYMMETRIC = {"verdict": "relay-needed", "nat_mapping": "symmetric"}
BLOCKED = {"verdict": "udp-blocked", "nat_mapping": "unknown"}
VAGUE = {"verdict": "inconclusive", "nat_mapping": "unknown"}


@pytest.mark.parametrize(
    ("one", "other", "with_relay", "without"),
    [
        (CONE, OPEN, "direct", "direct"),
        (CONE, POOR, "direct", "direct"),
        (SYMMETRIC, CONE, "relay-likely", "relay-likely"),
        (SYMMETRIC, None, "relay-likely", "relay-likely"),
        (SYMMETRIC, SYMMETRIC, "relay-needed", "unlikely"),
        (BLOCKED, CONE, "relay-needed", "unlikely"),
        (BLOCKED, None, "relay-needed", "unlikely"),
        (BLOCKED, SYMMETRIC, "relay-needed", "unlikely"),
        (CONE, None, None, None),
        (CONE, VAGUE, None, None),
        (None, None, None, None),
    ],
)
def test_forecast_of_a_pair(one, other, with_relay, without):
    for pair in ((one, other), (other, one)):
        assert forecast(*pair, has_relay=True) == with_relay
        assert forecast(*pair, has_relay=False) == without
