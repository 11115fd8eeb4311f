"""run.py demo: the story holds, says what it measured, and leaves nothing behind."""

import re
from collections.abc import Callable

import pytest

from tests.cli.runs import Place

STEP = re.compile(r"^ ?\d+  (?P<name>.{20})  (?P<verdict>\w+) +(?P<ms>\d+) ms  (?P<facts>.+)$", re.MULTILINE)

STORY_SECONDS = 150.0  # two servers start, and a call takes place, on a machine that may be busy

#: What a step must say beside ok; the figures are measured, so only their kind is known.
FACTS = {
    "server": r"http://127\.0\.0\.1:\d+, process \d+",
    "caller signs in": r"code from the outbox, 50 welcome coins",
    "receiver signs in": r"Ada Lovelace, super lover",
    "sockets": r"round trip [\d.]+ ms",
    "ring": r"50 coins held, balance 0",
    "accept": r"the caller knows after \d+ ms",
    "join": r"the caller offers",
    "monitors": r"open after \d+ ms / \d+ ms",
    "offer, answer, ICE": r"SDP \d+ bytes / \d+ bytes, candidates [1-9]\d* / [1-9]\d*",
    "media": r"[1-9]\d* kB / [1-9]\d* kB so far, candidate pair (host|prflx)/(host|prflx)",
    "meter starts": r"evidence E2",
    "talk": r"RTT .+ jitter .+ loss .+ monitor beats [1-9]\d* / [1-9]\d*",
    "hang up": r"claimed 9999 s, billed \d s",
    "clocks agree": r"server \d s, our clock [\d.]+ s",
    "coins": r"spent 50, earned 25; balances 0 / 75",
    "ledger rows": r"spend 50 → 0; Ada Lovelace earn 25 → 75",
    "call record": r"ended, user_hangup, metered by evidence E2",
    "ledger audit": r"the ledger holds",
    "server stops": r"both sockets sent elsewhere \(4012\), exit code 0",
}


@pytest.mark.timeout(1.2 * STORY_SECONDS)
def test_every_step_of_the_story_holds_and_nothing_is_left(
    place: Place, make_place: Callable[[], Place]
) -> None:
    scratch = make_place()

    done = place.run("demo", "--seconds", "5", within=STORY_SECONDS, TMPDIR=str(scratch.path))

    steps = {match["name"].strip(): match for match in STEP.finditer(done.stdout)}
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert list(steps) == list(FACTS)
    assert {match["verdict"] for match in steps.values()} == {"ok"}
    assert [name for name, facts in FACTS.items() if not re.search(facts, steps[name]["facts"])] == []
    assert re.search(r"^All 19 steps held, [\d.]+ s\.$", done.stdout, re.MULTILINE)
    assert [*place.path.iterdir(), *scratch.path.iterdir()] == []


@pytest.mark.timeout(1.2 * STORY_SECONDS)
def test_story_is_told_across_two_nodes(place: Place) -> None:
    """The caller at one, the receiver at the other; the rest is the same story."""
    done = place.run("demo", "--nodes", "2", "--seconds", "3", within=STORY_SECONDS)

    steps = {match["name"].strip(): match for match in STEP.finditer(done.stdout)}
    nodes = {
        "node 1": r"http://127\.0\.0\.1:\d+, process \d+, its own PostgreSQL and Valkey",
        "node 2": r"http://127\.0\.0\.1:\d+, process \d+, on the stores of node 1",
    }
    same = {name: facts for name, facts in FACTS.items() if name not in ("server", "server stops")}
    facts = nodes | same | {"nodes stop": FACTS["server stops"]}
    urls = {re.search(r":(\d+),", steps[name]["facts"])[1] for name in nodes}
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert list(steps) == list(facts)
    assert {match["verdict"] for match in steps.values()} == {"ok"}
    assert [name for name, text in facts.items() if not re.search(text, steps[name]["facts"])] == []
    assert len(urls) == 2
    assert list(place.path.iterdir()) == []


def test_step_that_does_not_hold_ends_the_story_with_exit_code_1(place: Place) -> None:
    done = place.run("demo", "--url", "http://127.0.0.1:1")

    assert done.returncode == 1
    assert re.match(r" 1  server +FAILED .*Connect", done.stdout)
    assert re.fullmatch(r"Step 1 did not hold, [\d.]+ s\.", done.stdout.splitlines()[-1])
    assert len(done.stdout.splitlines()) == 2
