"""push.send: the canonical line of every push, and the counter that follows from it."""

import pytest
from structlog.testing import capture_logs

from romantic import metrics
from romantic.devices.sending import NEWS, RING
from romantic.integrations.push import PLATFORMS
from romantic.jobs.worker import WORKS
from romantic.ops.lines import count
from tests.devices.conftest import all_done, devices_of, register, say
from tests.waiting import until

#: All that the label `outcome` may be.
OUTCOMES = {"sent", "quiet", "off", "unregistered", "failed", "refused", "stop"}


@pytest.fixture
async def pair(make_person):
    return await make_person("Ann", coins=200), await make_person("Bea")


def told_of(lines):
    return [line for line in lines if line["event"] == "push.send"]


async def test_push_that_went_out_has_one_line_that_says_how_and_names_no_token(pair, outside, sql):
    ann, bea = pair
    device = await register(bea, platform="web")

    with capture_logs() as lines:
        await say(ann, bea, "a text nobody else may see")
        await all_done(sql, message=1)

    (line,) = told_of(lines)
    facts = {"push": "message", "platform": "web", "outcome": "sent", "user_id": bea.id, "is_urgent": True}
    assert {name: line[name] for name in facts} == facts
    assert line["device_id"] == device["id"]
    assert line["message_id"].startswith("projects/")
    assert 86_000 < line["ttl_s"] <= 86_400
    assert line["duration_ms"] <= line["age_ms"]
    assert device["token"] not in str(lines)
    assert "nobody else" not in str(lines)


@pytest.mark.parametrize(
    ("mood", "outcome", "level"),
    [
        ("gone", "unregistered", "info"),
        ("busy", "failed", "warning"),
        ("no data", "refused", "warning"),
        ("forbidden", "stop", "warning"),
    ],
)
async def test_refusal_has_its_line_too(pair, outside, mood, outcome, level):
    ann, bea = pair
    await register(bea)
    outside.fcm.mood, outside.fcm.retry_after = mood, "60"

    with capture_logs() as lines:
        await say(ann, bea)

        async def is_told():
            return bool(told_of(lines))

        await until(is_told)

    (line,) = told_of(lines)
    assert (line["outcome"], line["log_level"]) == (outcome, level)
    assert line["reason"].startswith("status ")


async def test_message_that_is_not_right_is_given_up_and_can_be_looked_at(pair, outside, sql):
    ann, bea = pair
    device = await register(bea)
    outside.fcm.mood = "no data"
    await say(ann, bea)

    async def is_dead():
        return sql("SELECT status FROM jobs WHERE kind = 'push.message'") == [("dead",)]

    await until(is_dead)
    assert devices_of(sql, bea) == [device["token"]]


def test_counter_follows_the_line_and_its_labels_are_bounded():
    before = metrics.PUSH.labels("ios", "sent")._value.get()

    count(None, "info", {"event": "push.send", "platform": "ios", "outcome": "sent"})

    assert metrics.PUSH.labels("ios", "sent")._value.get() == before + 1
    seen = {tuple(sample.labels.values()) for family in metrics.PUSH.collect() for sample in family.samples}
    assert {platform for platform, _ in seen} <= {*PLATFORMS, "unknown"}
    assert {outcome for _, outcome in seen} <= OUTCOMES


async def test_every_kind_of_push_has_its_handler(client):
    kinds = {RING, *(news.name for news in NEWS)}

    assert kinds == {kind for kind in client.app[WORKS] if kind.startswith("push.")}
    assert kinds == {f"push.{what}" for what in ("call", "cancel", "missed", "message", "match", "coins")}
