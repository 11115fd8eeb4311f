"""The meter under any sequence of events: nobody inflates the bill alone, and silence is never billed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from romantic.calls.evidence import MeterRules
from romantic.calls.meter import Meter

RULES = MeterRules()
PARTIES = CALLER, LOVER = UUID(int=1), UUID(int=2)
EPSILON = 1e-6
QUICK = settings(max_examples=150, deadline=None, derandomize=True)


@dataclass(frozen=True)
class Event:
    kind: str
    user: UUID
    wait: float
    lag: float = 0.0
    rx: int | None = None


WAITS = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 3.5, 4.0, 12.0, 13.0]), st.floats(0, 20))
COUNTERS = st.one_of(st.none(), st.integers(0, 10**6), st.just(10**400))


def events(*, kinds: str, rx: st.SearchStrategy[int | None]) -> st.SearchStrategy[list[Event]]:
    one = st.builds(
        Event,
        kind=st.sampled_from(kinds.split()),
        user=st.sampled_from(PARTIES),
        wait=WAITS,
        lag=st.sampled_from([0.0, 0.0, 0.3, 5.0]),
        rx=rx,
    )
    return st.lists(one, min_size=4, max_size=40)


ANYTHING = events(kinds="touch touch beat beat tick leave back", rx=COUNTERS)
WITHOUT_COUNTERS = events(kinds="touch touch beat tick", rx=st.none())


def opened(*, unlimited: bool = False) -> Meter:
    meter = Meter(PARTIES, MeterRules(max_gaps=10**6) if unlimited else RULES)
    for party in PARTIES:
        meter.join(party, at=0.0)
        meter.touch(party, at=0.0)
    meter.offer_relayed(at=0.0)
    meter.answer_relayed(at=0.0)
    return meter


def apply(meter: Meter, event: Event, *, at: float) -> None:
    steps: dict[str, Callable[[], object]] = {
        "touch": lambda: meter.touch(event.user, at=at - event.lag),
        "beat": lambda: meter.beat(event.user, at=at, rx=event.rx),
        "tick": lambda: meter.tick(at=at),
        "leave": lambda: meter.leave(event.user, at=at),
        "back": lambda: meter.tick(at=at - event.lag - 1),
    }
    steps[event.kind]()


def play(meter: Meter, script: list[Event], *, start: float = 0.0) -> list[tuple[Event, float]]:
    """Apply all; returns each event with its instant."""
    at, timed = start, []
    for event in script:
        at += event.wait
        apply(meter, event, at=at)
        timed.append((event, at))
    return timed


def covered(timed: list[tuple[Event, float]], user: UUID, *, end: float) -> list[tuple[float, float]]:
    """The intervals one party vouches for, reckoned from the whole record at once."""
    own = [(event, at) for event, at in timed if event.user == user]
    first_beat = next((index for index, (event, _) in enumerate(own) if event.kind == "beat"), len(own))
    touches = [max(0.0, at - event.lag) for event, at in own[:first_beat] if event.kind == "touch"]
    beats = [at for event, at in own if event.kind == "beat"]
    evidence = sorted((at, RULES.suspect_seconds) for at in [0.0, *touches])
    evidence += [(at, RULES.dead_seconds) for at in beats]
    ends = [at for at, _ in evidence[1:]] + [end]
    steps = zip(evidence, ends, strict=True)
    return [(start, stop) for (start, lease), stop in steps if stop - start <= lease]


def overlap(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> float:
    return sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in ours for b in theirs)


@QUICK
@given(WITHOUT_COUNTERS, st.floats(0, 40))
def test_only_time_that_both_vouch_for_is_billed(script: list[Event], tail: float) -> None:
    meter = opened(unlimited=True)
    timed = play(meter, script)
    end = timed[-1][1] + tail

    mutual = overlap(covered(timed, CALLER, end=end), covered(timed, LOVER, end=end))

    assert meter.stop(at=end) <= mutual + EPSILON


@QUICK
@given(ANYTHING, ANYTHING)
def test_one_party_alone_never_inflates(together: list[Event], later: list[Event]) -> None:
    meter = opened()
    timed = play(meter, together)
    alone = [event for event in later if event.user == LOVER]
    end = play(meter, [*alone, Event("tick", LOVER, wait=13.0)], start=timed[-1][1])[-1][1]

    billed = meter.stop(at=end)

    shown = [at for event, at in timed if event.user == CALLER and event.kind in ("touch", "beat")]
    assert billed <= max([0.0, *shown]) + EPSILON


@QUICK
@given(ANYTHING, st.floats(0.1, 20))
def test_silence_of_both_is_billed_no_further_than_the_lease(script: list[Event], silence: float) -> None:
    meter = opened()
    at = play(meter, script)[-1][1]
    owed = meter.snapshot(at=at).billed_seconds

    ticks = [meter.billable(at=at + silence * step / 10) for step in range(11)]

    assert max(ticks) <= owed + RULES.suspect_seconds + EPSILON
    rising = [billable for billable in ticks if billable != owed]
    assert rising == sorted(rising)
    assert meter.stop(at=at + RULES.suspect_seconds + EPSILON) == owed


@QUICK
@given(ANYTHING, st.floats(0, 40))
def test_nothing_bills_more_than_the_wall_time_since_the_start(script: list[Event], tail: float) -> None:
    meter = opened()
    end = play(meter, script)[-1][1] + tail

    forecast = meter.billable(at=end)

    assert 0 <= forecast == meter.stop(at=end) == meter.stop(at=end + 99)
    assert forecast <= end + EPSILON


@QUICK
@given(ANYTHING)
def test_what_both_have_proven_is_never_taken_back(script: list[Event]) -> None:
    meter = opened()
    at = owed = 0.0

    for event in script:
        at += event.wait
        apply(meter, event, at=at)
        before, owed = owed, meter.snapshot(at=at).billed_seconds

        assert before - EPSILON <= owed <= meter.billable(at=at) + EPSILON


@QUICK
@given(ANYTHING, ANYTHING, st.floats(0, 10))
def test_restore_never_adds_to_the_bill(script: list[Event], alone: list[Event], wait: float) -> None:
    meter = opened()
    end = play(meter, script)[-1][1] + wait
    snapshot = meter.snapshot(at=end)

    restored = Meter.restore(PARTIES, RULES, snapshot, at=5.0)
    play(restored, [event for event in alone if event.user == LOVER], start=5.0)

    assert restored.snapshot(at=6.0).billed_seconds == snapshot.billed_seconds
    assert restored.stop(at=999.0) == snapshot.billed_seconds <= meter.stop(at=end) + EPSILON


def up_to_the_last_that_runs(script: list[Event]) -> list[Event]:
    """The events after which the clock runs, for as long as it does at their end."""
    meter, at, length = opened(), 0.0, 0
    for number, event in enumerate(script, 1):
        at += event.wait
        apply(meter, event, at=at)
        length = number if meter.state == "billing" else length
    return script[:length]


@QUICK
@given(ANYTHING, ANYTHING, st.floats(0, 2), st.floats(0, 0.5))
def test_handing_a_running_clock_on_never_adds_to_the_bill(
    script: list[Event], rest: list[Event], travel: float, error: float
) -> None:
    """The taker's clock is a thousand seconds ahead, the giver believes a little less, and its word takes time."""
    ahead = 1000.0
    kept, given_away = opened(), opened()
    running = up_to_the_last_that_runs(script)
    end = sum(event.wait for event in running)
    play(kept, running)
    play(given_away, running)
    shown = json.loads(json.dumps(given_away.shown(ahead=ahead - error)))

    taken = Meter.restore(PARTIES, RULES, given_away.snapshot(at=end), at=ahead + end + travel)
    taken.go_on(shown)
    last = play(kept, rest, start=end + travel)[-1][1]
    play(taken, rest, start=ahead + end + travel)

    assert taken.stop(at=ahead + last) <= kept.stop(at=last) + EPSILON


def media(at: float, outages: list[tuple[int, int]]) -> int:
    """Bytes received by `at` on a path that stands still during the outages."""
    return int(4000 * (at - sum(max(0.0, min(at, start + length) - start) for start, length in outages)))


@QUICK
@given(st.lists(st.tuples(st.integers(5, 60), st.integers(5, 14)), max_size=3), st.integers(20, 90))
def test_neither_outages_nor_time_after_the_last_beat_are_billed(
    drawn: list[tuple[int, int]], last: int
) -> None:
    outages = [(start + 40 * index, length) for index, (start, length) in enumerate(sorted(drawn))]
    meter = opened()

    for second in (second for second in range(120) if all(not a < second < a + n for a, n in outages)):
        meter.tick(at=second - 0.5)
        meter.beat(LOVER, at=float(second), rx=media(second, outages))
        for at in [second] if second <= last else []:
            meter.beat(CALLER, at=float(at), rx=media(at, outages))

    lost = sum(max(0, min(last, start + length) - start) for start, length in outages)
    assert meter.stop(at=130.0) <= last - lost


@QUICK
@given(st.integers(15, 60), st.integers(4, 14), st.integers(0, 9), st.sampled_from([1.0, 0.5, 0.05, 0.0]))
def test_gap_is_billed_exactly_when_media_went_on(start: int, gap: int, extra: int, share: float) -> None:
    meter = opened()
    end = start + gap + extra + 2

    for second in (second for second in range(end + 1) if not start < second < start + gap):
        received = 4000 * (second - (1 - share) * max(0, min(second, start + gap) - start))
        meter.tick(at=second - 0.5)
        meter.beat(CALLER, at=float(second), rx=int(received))
        meter.beat(LOVER, at=float(second), rx=4000 * second)

    billed = meter.stop(at=float(end))
    assert (billed == end) == (share >= 0.2)
    assert billed >= end - gap - 1
