"""The quality of a call: judged from beats and from what clients say, told on change, stored, never money."""

import random
from uuid import uuid4

import pytest

from romantic.calls.leg import Leg
from romantic.calls.quality import MOST_SAMPLES, MOST_WAITING, Quality, QualityLog
from romantic.jobs.janitor import clean
from romantic.rtc import Beats
from tests.calls.stage import alive, connected, send, until

ORDER = ["lost", "poor", "good", "excellent"]
FINE = {"rttMs": 40, "lossPct": 0, "jitterMs": 3, "pair": "host/srflx"}
AWFUL = {"rttMs": 900, "lossPct": 30, "jitterMs": 80}


def judged(*, loss, seed=7):
    """The monitor's view of a party whose beats are lost at this rate each way, after 100 seconds at 1 Hz."""
    chance, beats = random.Random(seed), Beats()
    for second in range(100):
        n = beats.ping(float(second))
        if chance.random() >= loss and chance.random() >= loss:
            beats.pong(n, second + 0.04)
    beats.ping(103.0)
    leg = Leg()
    leg.beats = beats
    return leg.quality()


def test_loss_is_heard_in_the_right_order():
    words = [judged(loss=loss).level for loss in (0.0, 0.05, 0.20)]

    assert words[0] == "excellent"
    assert words[1] in ("good", "poor")
    assert words[2] in ("poor", "lost")
    scores = [judged(loss=loss).mos for loss in (0.0, 0.05, 0.20)]
    assert scores == sorted(scores, reverse=True)
    assert [ORDER.index(word) for word in words] == sorted(map(ORDER.index, words), reverse=True)


GOOD, BAD = Quality(40.0, 3.0, 0.0, 4.4), Quality(900.0, 80.0, 30.0, 1.8)


@pytest.fixture
def party():
    return uuid4()


@pytest.fixture
def told():
    return []


@pytest.fixture
def quality_log(party, told):
    return QualityLog((party, uuid4()), tell=lambda _, quality: told.append(quality.level))


def test_a_word_is_told_when_it_changes_and_never_twice_within_five_seconds(quality_log, party, told):
    for tenth in range(300):
        at = 1000 + tenth / 10
        measured = GOOD if tenth < 120 else BAD
        if quality_log.is_due(party, at=at):
            quality_log.judge(party, measured, pair=None, at=at)

    assert told == ["excellent", "lost"]
    assert [sample.at - 1000 for sample in quality_log.take()] == pytest.approx([0, 5, 10, 15, 20, 25])


def test_what_the_client_says_of_the_leg_people_hear_comes_first_while_it_is_fresh(quality_log, party, told):
    quality_log.hear(party, AWFUL, at=100.0)
    quality_log.judge(party, GOOD, pair="host/host", at=101.0)
    quality_log.judge(party, GOOD, pair="host/host", at=111.0)

    assert told == ["lost", "excellent"]
    assert [(sample.source, sample.pair) for sample in quality_log.take()] == [
        ("monitor", "host/host"), ("client", "host/host"), ("monitor", "host/host"),
    ]  # fmt: skip


def test_nothing_measured_is_nothing_told(quality_log, party, told):
    quality_log.hear(party, {"pair": "host/host"}, at=100.0)
    quality_log.judge(party, None, pair=None, at=100.0)

    assert (told, quality_log.take()) == ([], [])
    assert quality_log.is_due(party, at=100.0)


def test_samples_are_bounded(quality_log, party):
    for n in range(2 * MOST_WAITING):
        quality_log.judge(party, GOOD, pair=None, at=float(n))
    assert len(quality_log.take()) == MOST_WAITING

    kept = MOST_WAITING
    for n in range(2 * MOST_SAMPLES):
        quality_log.judge(party, GOOD, pair=None, at=float(n))
        kept += len(quality_log.take())
    assert kept == MOST_SAMPLES


def test_what_could_not_be_written_waits(quality_log, party):
    quality_log.judge(party, GOOD, pair=None, at=1.0)
    first = quality_log.take()
    quality_log.judge(party, GOOD, pair=None, at=7.0)
    quality_log.put_back(first)

    assert [sample.at for sample in quality_log.take()] == [1.0, 7.0]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("romantic.calls.quality.JUDGE_SECONDS", 0.1)


@pytest.mark.usefixtures("quick")
async def test_clients_tell_and_both_read_the_story_during_and_after_the_call(stage, connect):
    ann, bea = await stage.pair()
    phones = await connect(ann), await connect(bea)
    call = await stage.answered(ann, bea)
    await connected(call, *phones)
    async with alive(*phones):
        await phones[0].emit("call-stats", callId=call.id, sample=FINE | {"future": [1]})
        first = await phones[1].expect("call-quality")
        await phones[0].emit("call-stats", callId=call.id, sample=AWFUL)
        second = await phones[1].expect("call-quality")
        assert (first["userId"], first["level"], second["level"]) == (ann.id, "excellent", "lost")
        assert (second["rttMs"], second["lossPct"]) == (900, 30)
        await until(lambda: stage.sql("SELECT count(*) FROM call_quality_samples")[0][0] > 0)
        during = await bea.data(f"/api/calls/{call.id}/quality")
        assert during["score"] is None
        assert during["parties"][0]["client"][0]["pair"] == "host/srflx"
    await call.end()

    after = await ann.data(f"/api/calls/{call.id}/quality")

    assert (after["callId"], [party["userId"] for party in after["parties"]]) == (call.id, [ann.id, bea.id])
    line = after["parties"][0]["client"][0]
    assert set(line) == {"atMs", "rttMs", "jitterMs", "lossPct", "score", "level", "pair"}
    assert after["parties"][1] == {"userId": bea.id, "monitor": [], "client": []}
    assert 1 <= after["score"] < 4.4
    assert after["level"] in ORDER
    assert float(call.column("quality_score")) == after["score"]


async def test_a_call_by_the_wall_clock_is_heard_over_rest(stage):
    ann, bea = await stage.pair()
    call = await stage.answered(ann, bea)

    for person, sample in ((ann, FINE), (bea, AWFUL), (bea, {"rttMs": -1, "lossPct": "x"})):
        assert (await send(person, f"/api/calls/{call.id}/stats", {"sample": sample})).status == 200
    stored = await ann.data(f"/api/calls/{call.id}/quality")
    await call.end()
    late = await send(ann, f"/api/calls/{call.id}/stats", {"sample": FINE})

    assert [party["client"][0]["level"] for party in stored["parties"]] == ["excellent", "lost"]
    score = (await ann.data(f"/api/calls/{call.id}/quality"))["score"]
    levels = [party["client"][0]["score"] for party in stored["parties"]]
    assert score == pytest.approx(sum(levels) / 2, abs=0.01)
    assert late.code == "INVALID_CALL_STATE"


async def test_an_hour_reads_in_a_hundred_steps(stage):
    ann, bea = await stage.pair()
    call = await stage.answered(ann, bea)
    call.set("answered_at = now() - interval '1 hour'")
    stage.sql(
        "INSERT INTO call_quality_samples (call_id, user_id, source, rtt_ms, jitter_ms, loss_pct, mos, sampled_at)"
        " SELECT %s, %s, 'monitor', 40, 3, 0, 4.2, now() - make_interval(secs => n * 5)"
        " FROM generate_series(0, 719) AS n",
        call.id, ann.id,
    )  # fmt: skip

    (line, _) = (await bea.data(f"/api/calls/{call.id}/quality"))["parties"]

    assert 90 <= len(line["monitor"]) <= 100
    instants = [step["atMs"] for step in line["monitor"]]
    assert instants == sorted(instants)


async def test_samples_go_after_a_month_and_the_score_stays(stage):
    ann, bea = await stage.pair()
    call = await stage.answered(ann, bea)
    await send(ann, f"/api/calls/{call.id}/stats", {"sample": FINE})
    await call.end()
    stage.sql("UPDATE call_quality_samples SET sampled_at = now() - interval '31 days'")

    await clean(stage.app)

    quality = await ann.data(f"/api/calls/{call.id}/quality")
    assert (quality["parties"][0]["client"], quality["level"]) == ([], "excellent")
