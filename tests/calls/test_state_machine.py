"""Every state, every move, everybody who may try it: who is obeyed, what becomes of the call, who pays."""

import pytest

from tests.calls.stage import Call, Stage, initiate

OPEN = ("initiated", None)
PAID, BACK, SHARED = (50, 0, 0), (50, 50, 0), (50, 0, 25)

#: What a move leads to: HTTP status, error code, the call afterwards, and (charged, refunded, earned).
UNANSWERED = {
    ("accept", "caller"): (403, "FORBIDDEN", None, PAID),
    ("accept", "receiver"): (200, None, ("answered", None), PAID),
    ("accept", "stranger"): (404, "CALL_NOT_FOUND", None, PAID),
    ("reject", "caller"): (403, "FORBIDDEN", None, PAID),
    ("reject", "receiver"): (200, None, ("rejected", "rejected"), BACK),
    ("reject", "stranger"): (404, "CALL_NOT_FOUND", None, PAID),
    ("end", "caller"): (200, None, ("missed", "caller_cancelled"), BACK),
    ("end", "receiver"): (200, None, ("rejected", "rejected"), BACK),
    ("end", "stranger"): (404, "CALL_NOT_FOUND", None, PAID),
}
ANSWERED = {
    ("accept", "caller"): (409, "INVALID_CALL_STATE", None, PAID),
    ("accept", "receiver"): (409, "INVALID_CALL_STATE", None, PAID),
    ("accept", "stranger"): (404, "CALL_NOT_FOUND", None, PAID),
    ("reject", "caller"): (409, "INVALID_CALL_STATE", None, PAID),
    ("reject", "receiver"): (409, "INVALID_CALL_STATE", None, PAID),
    ("reject", "stranger"): (404, "CALL_NOT_FOUND", None, PAID),
    ("end", "caller"): (200, None, ("ended", "user_hangup"), SHARED),
    ("end", "receiver"): (200, None, ("ended", "user_hangup"), SHARED),
    ("end", "stranger"): (404, "CALL_NOT_FOUND", None, PAID),
}
UNCONNECTED = ANSWERED | {
    ("end", "caller"): (200, None, ("ended", "not_connected"), BACK),
    ("end", "receiver"): (200, None, ("ended", "not_connected"), BACK),
}


def final(
    money: tuple[int, int, int],
) -> dict[tuple[str, str], tuple[int, str | None, None, tuple[int, int, int]]]:
    """Nothing moves any more; an end repeats what is written."""
    moves = [
        (move, who) for move in ("accept", "reject", "end") for who in ("caller", "receiver", "stranger")
    ]
    answers = {
        "accept": (409, "INVALID_CALL_STATE"),
        "reject": (409, "INVALID_CALL_STATE"),
        "end": (200, None),
    }
    table = {(move, who): (*answers[move], None, money) for move, who in moves}
    return table | {(move, "stranger"): (404, "CALL_NOT_FOUND", None, money) for move in answers}


TABLE = {
    "initiated": UNANSWERED,
    "ringing": UNANSWERED,
    "answered": ANSWERED,
    "unconnected": UNCONNECTED,
    "ended": final(SHARED),
    "missed": final(BACK),
    "rejected": final(BACK),
}
MOVES = [(state, move) for state in TABLE for move in ("accept", "reject", "end")]


async def no_move(call: Call) -> None:
    pass


async def ringing(call: Call) -> None:
    call.set("status = 'ringing'")


async def answered(call: Call) -> None:
    await call.accept()


async def unconnected(call: Call) -> None:
    call.set("metered_by = 'evidence'")
    await call.accept()


async def ended(call: Call) -> None:
    await call.accept()
    await call.end()


async def missed(call: Call) -> None:
    await call.end()


async def rejected(call: Call) -> None:
    await call.reject()


ROADS = {
    "initiated": no_move,
    "ringing": ringing,
    "answered": answered,
    "unconnected": unconnected,
    "ended": ended,
    "missed": missed,
    "rejected": rejected,
}


async def call_in(stage: Stage, state: str) -> Call:
    """A fresh call between two people, brought to a state by the moves that lead there."""
    return await brought(await stage.ring(*await stage.pair()), state)


async def brought(call: Call, state: str) -> Call:
    await ROADS[state](call)
    return call


@pytest.mark.parametrize(("state", "move"), MOVES)
async def test_row_of_the_table(stage, state, move):
    people = dict(zip(("caller", "receiver"), await stage.pair(), strict=True))
    people["stranger"] = await stage.person("Eve", coins=0)

    seen = {}
    for who, person in people.items():
        call = await brought(await stage.ring(people["caller"], people["receiver"]), state)
        before = call.outcome
        answer = await getattr(call, move)(by=person)
        after = call.outcome
        seen[move, who] = (answer.status, answer.code, None if after == before else after, call.money)
        await call.end()

    assert seen == {cell: expected for cell, expected in TABLE[state].items() if cell[0] == move}
    assert stage.moved(people["stranger"]) == 0


@pytest.mark.parametrize("state", ["answered", "ended", "missed", "rejected"])
async def test_refused_move_says_where_the_call_stands(stage, state):
    call = await call_in(stage, state)

    answer = await call.accept()

    assert answer.meta == {"status": state}


async def test_repeated_end_repeats_the_numbers_to_both(stage):
    call = await call_in(stage, "answered")
    call.set("started_at = started_at - interval '12 seconds'")

    answers = [await call.end(by=who) for who in (call.receiver, call.caller, call.receiver)]

    numbers = [{**answer.data, "newBalance": None} for answer in answers]
    assert numbers[0]["duration"] == 12
    assert numbers[1:] == [numbers[0], numbers[0]]
    assert [answer.data["newBalance"] for answer in answers] == [25, 150, 25]


async def test_unknown_call_is_not_found(stage):
    ann = await stage.person()
    call = Call(ann, ann, "9ad3b9f6-7a5c-4c39-8a3e-000000000000", stage.sql)

    answers = [await call.accept(), await call.reject(), await call.end()]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "CALL_NOT_FOUND")] * 3


async def test_call_after_an_ended_one_can_be_placed(stage):
    call = await call_in(stage, "ended")

    again = await initiate(call.caller, call.receiver)

    assert again.status == 200
