"""The meter: what is billed, when the clock stands still and when it ends the call."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from math import inf
from uuid import UUID

import pytest

from romantic.calls.evidence import MeterRules
from romantic.calls.meter import Change, Meter, Snapshot

CALLER, LOVER = UUID(int=1), UUID(int=2)
PARTIES = (CALLER, LOVER)
PACE = 4000
SILENT: list[float] = []

Script = Callable[[UUID, float], int | None]


def media(seconds: float) -> int:
    return int(PACE * seconds)


def opened(rules: MeterRules | None = None) -> Meter:
    """A call whose parties are in the room and have exchanged offer and answer, without evidence."""
    meter = Meter(PARTIES, rules or MeterRules())
    for party in PARTIES:
        meter.join(party, at=0.0)
    meter.offer_relayed(at=0.0)
    meter.answer_relayed(at=0.0)
    return meter


def play(meter: Meter, script: Script, *, until: float, start: float = 0.0) -> list[Change]:
    """Beat once and tick twice a second; the script says what a party has received, None for no beat."""
    changes: list[Change] = []
    for half in range(int(start * 2), int(until * 2) + 1):
        at = half / 2
        beats = [(user, script(user, at)) for user in PARTIES if at == int(at)]
        for user, rx in ((user, rx) for user, rx in beats if rx is not None):
            meter.beat(user, at=at, rx=rx)
        changes += meter.tick(at=at)
    return changes


def touched(meter: Meter, caller: list[float], lover: list[float], *, until: float) -> list[Change]:
    """Touch at the given seconds and tick every second."""
    changes: list[Change] = []
    for second in range(int(until) + 1):
        for user, instants in ((CALLER, caller), (LOVER, lover)):
            for at in (instant for instant in instants if second - 1 < instant <= second):
                meter.touch(user, at=at)
        changes += meter.tick(at=float(second))
    return changes


def every(step: int, until: int, start: int = 0) -> list[float]:
    return [float(second) for second in range(start, until + 1, step)]


def kinds(changes: list[Change]) -> list[str]:
    return [change.kind for change in changes]


def honest(_user: UUID, at: float) -> int | None:
    return media(at)


def caller_silent_from_30(user: UUID, at: float) -> int | None:
    return media(at) if user == LOVER or at <= 30 else None


def caller_denies_from_30(user: UUID, at: float) -> int | None:
    return media(at if user == LOVER else min(at, 30))


def caller_denies_always(user: UUID, at: float) -> int | None:
    return media(at) if user == LOVER else 0


def lover_sends_nothing(user: UUID, at: float) -> int | None:
    return media(at) if user == LOVER else 0


def lover_stops_sending_at_30(user: UUID, at: float) -> int | None:
    return media(at if user == LOVER else min(at, 30))


def server_unreachable_20_to_28(_user: UUID, at: float) -> int | None:
    return None if 20 < at < 28 else media(at)


def everything_down_20_to_28(_user: UUID, at: float) -> int | None:
    return None if 20 < at < 28 else media(at if at <= 20 else max(20, at - 8))


def discontinuous(_user: UUID, at: float) -> int | None:
    return media(at // 2 * 2)


def flapping(_user: UUID, at: float) -> int | None:
    return media(at) if at % 11 < 6 else None


SCENARIOS = [
    # what happens, state, billed between, ended between, reason, gaps
    (honest, "billing", (59, 59), (inf, inf), None, 0),
    (caller_silent_from_30, "ended", (29, 29), (48.5, 50.5), "disconnected", 1),
    (caller_denies_always, "waiting", (0, 0), (inf, inf), None, 0),
    (caller_denies_from_30, "ended", (29, 35), (51, 53), "disconnected", 1),
    (lover_sends_nothing, "waiting", (0, 0), (inf, inf), None, 0),
    (lover_stops_sending_at_30, "ended", (29, 35), (51, 53), "disconnected", 1),
    (server_unreachable_20_to_28, "billing", (59, 59), (inf, inf), None, 1),
    (everything_down_20_to_28, "billing", (50, 51), (inf, inf), None, 1),
    (discontinuous, "billing", (58, 58), (inf, inf), None, 0),
]


@pytest.mark.parametrize(("script", "state", "billed", "ended", "reason", "gaps"), SCENARIOS)
def test_scenario(
    script: Script,
    state: str,
    billed: tuple[float, float],
    ended: tuple[float, float],
    reason: str | None,
    gaps: int,
) -> None:
    meter = opened()

    changes = play(meter, script, until=60)

    ends = [(change.at, change.reason) for change in changes if change.kind == "ended"] or [(inf, None)]
    assert meter.state == state
    assert meter.gaps == gaps
    assert ended[0] <= ends[0][0] <= ended[1]
    assert ends[0][1] == reason
    assert billed[0] <= meter.stop(at=60.0) <= billed[1]


def test_flapping_ends_unstable_at_the_seventh_gap() -> None:
    meter = opened()

    changes = play(meter, flapping, until=200)

    assert changes[-1].reason == "unstable"
    assert 74 <= changes[-1].at <= 76
    assert meter.gaps == 7
    assert 69 <= meter.billable(at=200.0) <= 71


CONDITIONS: dict[str, Callable[[Meter, float], None]] = {
    "caller in the room": lambda meter, at: meter.join(CALLER, at=at),
    "lover in the room": lambda meter, at: meter.join(LOVER, at=at),
    "offer relayed": lambda meter, at: meter.offer_relayed(at=at),
    "answer relayed": lambda meter, at: meter.answer_relayed(at=at),
    "caller alive": lambda meter, at: meter.touch(CALLER, at=at),
    "lover alive": lambda meter, at: meter.beat(LOVER, at=at),
}


@pytest.mark.parametrize("last", CONDITIONS)
def test_clock_starts_at_the_instant_the_last_condition_holds(last: str) -> None:
    meter = Meter(PARTIES, MeterRules())

    for condition in CONDITIONS.keys() - {last}:
        CONDITIONS[condition](meter, 1.0)
    assert (meter.state, meter.started_at) == ("waiting", None)
    CONDITIONS[last](meter, 2.0)

    assert meter.started_at == 2.0
    assert meter.tick(at=3.0) == [Change("started", 2.0)]


def test_party_that_left_before_the_start_keeps_the_clock_from_starting() -> None:
    meter = opened()

    meter.leave(LOVER, at=1.0)
    touched(meter, [2], [2], until=3)

    assert meter.state == "waiting"


def test_leaving_after_the_start_does_not_stop_the_clock() -> None:
    meter = opened()
    touched(meter, [0], [0], until=0)

    meter.leave(LOVER, at=1.0)
    touched(meter, every(5, 20), every(5, 20), until=20)

    assert meter.stop(at=20.0) == 20


def test_stop_before_the_start_bills_nothing() -> None:
    meter = opened()

    assert meter.stop(at=50.0) == 0
    assert meter.tick(at=60.0) == []
    assert meter.proven_at is None


def test_stop_repeats_itself_and_nothing_moves_after() -> None:
    meter = opened()
    play(meter, honest, until=10)

    first = meter.stop(at=10.0)
    play(meter, honest, start=11, until=20)

    assert meter.stop(at=99.0) == first == meter.billable(at=99.0) == 9
    assert meter.proven_at == 10


def test_stop_without_a_tick_still_bills_a_loss_to_the_proven_instant() -> None:
    meter = opened()
    play(meter, honest, until=10)

    assert meter.stop(at=14.0) == 9


def test_stop_within_the_lease_counts_up_to_now() -> None:
    meter = opened()
    touched(meter, [0], [0], until=0)

    assert meter.stop(at=12.0) == 12


def test_silence_of_ten_seconds_on_the_socket_is_no_gap() -> None:
    meter = opened()

    changes = touched(meter, [*every(5, 20), *every(5, 40, 30)], every(5, 40), until=40)

    assert kinds(changes) == ["started"]
    assert meter.stop(at=40.0) == 40


def test_silence_of_thirteen_seconds_on_the_socket_is_not_billed() -> None:
    meter = opened()

    changes = touched(meter, [*every(5, 20), *every(5, 53, 33)], every(1, 53), until=53)

    assert changes[1:] == [
        Change("suspect", 33.0, CALLER),
        Change("resumed", 33.0, CALLER, gap_seconds=13.0, gap_billed=False),
    ]
    assert meter.stop(at=53.0) == 53 - 13


def test_silence_of_thirty_seconds_on_the_socket_ends_the_call_at_the_last_evidence() -> None:
    meter = opened()

    changes = touched(meter, every(5, 20), every(5, 60), until=60)

    assert changes[1:] == [
        Change("suspect", 33.0, CALLER),
        Change("ended", 50.0, CALLER, reason="disconnected"),
    ]
    assert meter.stop(at=60.0) == 20


def test_evidence_of_the_past_counts_when_it_was_and_never_moves_back() -> None:
    meter = opened()
    touched(meter, [9], [10], until=10)

    meter.touch(CALLER, at=4.0)
    meter.touch(CALLER, at=9.5)
    meter.tick(at=22.5)

    assert meter.state == "suspect"
    assert meter.proven_at == 10  # the start: nobody had proven more after it
    assert meter.stop(at=23.0) == 0


def test_silence_between_two_ticks_is_noticed_by_the_evidence_that_ends_it() -> None:
    meter = opened()
    touched(meter, [0], [0], until=0)

    for user in PARTIES:
        meter.touch(user, at=20.0)

    assert kinds(meter.tick(at=20.0)) == ["suspect", "resumed"]
    assert meter.stop(at=20.0) == 0


def test_evidence_of_one_party_does_not_accuse_the_other_within_a_tick() -> None:
    meter = opened()
    touched(meter, [0], [0], until=12)

    meter.touch(CALLER, at=12.0)
    meter.touch(CALLER, at=12.9)
    meter.touch(LOVER, at=11.9)

    assert meter.tick(at=13.0) == []


def test_level_never_falls_so_a_socket_does_not_keep_a_dead_monitor_alive() -> None:
    meter = opened()
    play(meter, honest, until=10)

    changes = touched(meter, every(1, 40, 11), every(1, 40, 11), until=40)

    assert meter.level(CALLER) == meter.level(LOVER) == "E2"
    assert changes[-1].reason == "disconnected"
    assert meter.stop(at=40.0) == 9


def test_level_and_path_are_those_of_the_last_beat() -> None:
    meter = opened()

    meter.beat(CALLER, at=0.0, via="ws")

    assert (meter.level(CALLER), meter.via(CALLER)) == ("E2", "ws")
    assert (meter.level(LOVER), meter.via(LOVER)) == ("E1", None)


def test_monitor_without_media_counters_bills_beats_but_no_gap() -> None:
    meter = opened()

    for second in [*range(0, 21), *range(28, 41)]:
        meter.tick(at=second - 0.5)
        meter.beat(CALLER, at=float(second))
        meter.beat(LOVER, at=float(second))

    assert meter.gaps == 1
    assert meter.stop(at=40.0) == 40 - 8


def test_mixed_levels_bill_and_a_gap_of_the_monitor_is_not_billed() -> None:
    meter = opened()

    for second in range(41):
        meter.touch(LOVER, at=float(second))
        for at in [float(second)] if second not in range(21, 28) else SILENT:
            meter.beat(CALLER, at=at, rx=media(at))
        meter.tick(at=float(second))

    assert (meter.level(CALLER), meter.level(LOVER)) == ("E2", "E1")
    assert meter.stop(at=40.0) == 39 - 8  # the first reading above zero came at one second


def test_mixed_levels_end_by_the_earlier_deadline() -> None:
    meter = opened()
    for second in range(11):
        meter.touch(LOVER, at=float(second))
        meter.beat(CALLER, at=float(second))

    changes = [change for second in range(11, 60) for change in meter.tick(at=float(second))]

    assert kinds(changes) == ["started", "suspect", "ended"]
    assert (changes[-1].user_id, changes[-1].at) == (CALLER, 14 + 15)
    assert meter.deadline(LOVER) == 10 + 30


def test_monitor_opened_in_the_middle_of_a_call_costs_neither_time_nor_a_gap() -> None:
    meter = opened()
    touched(meter, every(5, 20), every(5, 20), until=22)

    changes = play(meter, lambda user, at: media(max(0, at - 26)), start=23, until=40)

    assert changes == []
    assert meter.stop(at=40.0) == 40


def test_monitor_that_never_sees_media_takes_back_no_more_than_its_flow_window() -> None:
    meter = opened()
    touched(meter, every(5, 60), every(5, 60), until=60)

    play(meter, lambda user, at: media(at) if user == LOVER else 0, start=61, until=90)

    assert meter.state == "ended"
    assert 60 <= meter.stop(at=90.0) <= 61 + 6


def test_required_monitor_is_not_replaced_by_a_socket() -> None:
    meter = opened(MeterRules(require_monitor=True))

    touched(meter, every(1, 20), every(1, 20), until=20)
    meter.beat(CALLER, at=20.0)
    meter.tick(at=20.0)
    assert meter.state == "waiting"
    meter.beat(LOVER, at=21.0)

    assert kinds(meter.tick(at=21.0)) == ["started"]


def test_gap_is_measured_against_the_pace_of_the_ten_seconds_before_it() -> None:
    meter = opened()

    def loud_then_muted(_user: UUID, at: float) -> int | None:
        return None if 40 < at < 48 else media(10 * min(at, 25) + max(0, at - 25))

    changes = play(meter, loud_then_muted, until=60)

    assert [change.gap_billed for change in changes if change.kind == "resumed"] == [True]


def test_gap_after_a_single_reading_has_no_pace_to_meet_and_is_not_billed() -> None:
    meter = opened()
    touched(meter, every(5, 20), every(5, 20), until=20)

    changes = play(meter, lambda user, at: None if 21 < at < 26 else media(at), start=21, until=30)

    assert [change.gap_billed for change in changes] == [None, False]
    assert meter.stop(at=30.0) == 30 - 5


def test_gap_longer_than_the_grace_is_not_billed_even_if_the_server_slept_through_it() -> None:
    meter = opened()
    play(meter, honest, until=20)

    changes = play(meter, honest, start=45, until=60)

    assert kinds(changes) == ["suspect", "resumed"]
    assert meter.stop(at=60.0) == 59 - 25


def test_gap_names_the_party_that_was_missing_first() -> None:
    meter = opened()
    play(meter, honest, until=20)
    meter.beat(CALLER, at=20.2, rx=media(20.2))

    changes = [change for second in range(24, 40) for change in meter.tick(at=float(second))]

    assert [(change.kind, change.user_id) for change in changes] == [("suspect", LOVER), ("ended", LOVER)]
    assert meter.proven_at == 20


def test_absurd_counters_do_no_harm() -> None:
    meter = opened()

    play(meter, lambda user, at: None if 20 < at < 28 else 10**400 * int(at), until=60)
    play(meter, lambda user, at: -(10**400) if at % 2 else 10**400, start=61, until=80)

    assert 0 <= meter.stop(at=80.0) <= 80


def test_counter_that_started_over_before_a_gap_still_shows_its_pace() -> None:
    meter = opened()

    def renewed_at_35(_user: UUID, at: float) -> int | None:
        return None if 40 < at < 48 else media(at if at < 35 else at - 35)

    changes = play(meter, renewed_at_35, until=60)

    assert [change.gap_billed for change in changes if change.kind == "resumed"] == [True]


def test_counter_that_starts_over_is_a_baseline_and_no_growth() -> None:
    meter = opened()
    play(meter, honest, until=20)

    changes = play(meter, lambda user, at: 10**400 if user == LOVER else 500, start=21, until=27)

    assert kinds(changes) == ["suspect"]
    assert meter.billable(at=27.0) <= 20 + 6 - 1


def test_counter_that_started_over_grows_again_from_there() -> None:
    meter = opened()
    play(meter, honest, until=20)

    changes = play(meter, lambda user, at: media(at - 20), start=21, until=60)

    assert changes == []
    assert meter.stop(at=60.0) == 59


def test_time_that_runs_backwards_is_taken_as_the_latest_seen() -> None:
    meter = opened()
    play(meter, honest, until=20)

    assert meter.tick(at=3.0) == []
    assert meter.billable(at=3.0) == 19
    assert meter.stop(at=-5.0) == 19


def test_history_is_bounded() -> None:
    meter = opened()

    play(meter, honest, until=600)

    assert all(len(party.readings) == 40 for party in meter._parties.values())


def test_billable_runs_on_while_both_prove_and_falls_back_on_a_loss() -> None:
    meter = opened()
    play(meter, honest, until=10)

    assert [meter.billable(at=at) for at in (10.0, 12.0, 13.5, 14.0)] == [9, 11, 12.5, 9]


def test_snapshot_owes_the_proven_seconds_and_survives_json() -> None:
    meter = opened()
    play(meter, honest, until=10)

    snapshot = meter.snapshot(at=12.0)

    assert (snapshot.billed_seconds, snapshot.started_ago, snapshot.opened_ago) == (9, 11, 11)
    assert (snapshot.proven_ago, snapshot.levels) == (2, ("E2", "E2"))
    stored = json.loads(json.dumps(asdict(snapshot)))
    assert Meter.restore(PARTIES, MeterRules(), Snapshot(**stored), at=0.0).billable(at=1.0) == 9


def test_restored_call_is_suspect_until_both_are_back_and_bills_no_gap() -> None:
    before = opened()
    play(before, honest, until=20)
    snapshot = replace(before.snapshot(at=20.0), gaps=3)
    meter = Meter.restore(PARTIES, MeterRules(), snapshot, at=1000.0)

    assert meter.state == "suspect"
    assert kinds(play(meter, honest, start=1004, until=1014)) == ["resumed"]
    assert (meter.gaps, meter.started_at) == (3, 981.0)
    assert 19 + 9 <= meter.stop(at=1014.0) <= 19 + 10


@pytest.mark.parametrize(("level", "end"), [("E1", 1030.0), ("E2", 1015.0)])
def test_restored_call_ends_when_one_stays_away(level: str, end: float) -> None:
    before = opened()
    touched(before, every(1, 20), every(1, 20), until=20)
    snapshot = replace(before.snapshot(at=20.0), levels=(level, "E1"))  # type: ignore[arg-type]
    meter = Meter.restore(PARTIES, MeterRules(), snapshot, at=1000.0)

    changes = []
    for second in range(1000, 1040):
        meter.touch(LOVER, at=float(second))
        changes += meter.tick(at=float(second))

    assert changes == [Change("ended", end, CALLER, reason="disconnected")]
    assert meter.stop(at=1040.0) == 20


def test_handed_call_goes_on_without_a_gap() -> None:
    """A second on its way, to a process whose clock is elsewhere: nobody was missed, and that second is lost."""
    before = opened()
    play(before, honest, until=20)
    shown = json.loads(json.dumps(before.shown(ahead=1000.0)))
    snapshot = Snapshot(**json.loads(json.dumps(asdict(before.snapshot(at=20.0)))))

    meter = Meter.restore(PARTIES, MeterRules(), snapshot, at=1021.0)
    meter.go_on(shown)

    assert play(meter, honest, start=1021, until=1040) == []
    assert (meter.state, meter.gaps) == ("billing", 0)
    assert meter.stop(at=1040.0) == before.snapshot(at=20.0).billed_seconds + 19


def test_excused_silence_ends_no_call_before_its_time_and_is_not_billed() -> None:
    meter = opened()
    play(meter, honest, until=20)
    billed = meter.billable(at=20.0)

    meter.excuse(until=60.0)
    quiet = [change for second in range(21, 60) for change in meter.tick(at=float(second))]
    ended = meter.tick(at=60.0)

    assert kinds(quiet) == ["suspect"]
    assert kinds(ended) == ["ended"]
    assert meter.stop(at=61.0) == billed


def test_excuse_is_over_once_both_are_back() -> None:
    meter = opened()
    play(meter, honest, until=20)
    meter.excuse(until=500.0)
    meter.tick(at=40.0)

    assert kinds(play(meter, honest, start=50, until=60)) == ["resumed"]
    later = [change for second in range(61, 100) for change in meter.tick(at=float(second))]

    assert kinds(later) == ["suspect", "ended"]


def test_restored_call_that_had_not_started_waits_for_its_parties() -> None:
    meter = Meter.restore(PARTIES, MeterRules(), opened().snapshot(at=5.0), at=0.0)

    touched(meter, every(1, 3), every(1, 3), until=3)
    assert meter.state == "waiting"
    for user in PARTIES:
        meter.join(user, at=4.0)

    assert meter.started_at == 4


def test_restored_end_stays_the_end() -> None:
    before = opened()
    play(before, honest, until=20)
    before.stop(at=20.0)
    meter = Meter.restore(PARTIES, MeterRules(), before.snapshot(at=25.0), at=0.0)

    assert play(meter, honest, until=30) == []
    assert (meter.state, meter.stop(at=30.0)) == ("ended", 19)
