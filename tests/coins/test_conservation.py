"""Whatever people, staff, Stripe and AdMob do, in any order, twice and at once: every coin is where it must be."""

import asyncio
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from structlog.testing import capture_logs

from tests.admin.conftest import make_staff  # noqa: F401 - a fixture
from tests.coins.world import World

EXAMPLES, STEPS = 200, 30

PERSON = st.integers(0, 2)
PAIR = st.tuples(PERSON, PERSON).filter(lambda pair: pair[0] != pair[1])
COPIES = st.sampled_from((1, 1, 2, 3))
ANY = st.integers(0, 1000)
NAME = st.sampled_from("abc")
CENTS = st.sampled_from((1, 333, 500, 999))
KINDS = st.sampled_from(("paid", "paid", "silent", "failed", "forged", "refund", "dispute", "won", "lost"))
MOVES = st.tuples(st.sampled_from(("accept", "reject", "end")), st.booleans())


def machine_over(world: World, loop: asyncio.AbstractEventLoop) -> type[RuleBasedStateMachine]:
    """Steps run on the server's loop; after each of them the books are audited and compared with the model."""

    class Economy(RuleBasedStateMachine):
        def run(self, move: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(move, loop).result(30)

        @initialize()
        def begin(self) -> None:
            world.begin()
            for buyer in (0, 2):
                self.run(world.buy(buyer))
                world.happen(world.model.purchases[-1], "paid", 0)
            self.run(world.hear(world.model.mail))

        @rule(pair=PAIR, name=NAME, copies=COPIES)
        def message(self, pair: tuple[int, int], name: str, copies: int) -> None:
            self.run(world.message(*pair, name, copies))

        @rule(sender=PERSON, name=NAME)
        def take_back(self, sender: int, name: str) -> None:
            self.run(world.take_back(sender, name))

        @rule(pair=PAIR)
        def read(self, pair: tuple[int, int]) -> None:
            self.run(world.read(*pair))

        @rule(person=PERSON, action=st.sampled_from(("boost", "gift")), name=NAME, copies=COPIES)
        def spend(self, person: int, action: str, name: str, copies: int) -> None:
            self.run(world.spend(person, action, uuid5(NAMESPACE_OID, name), copies))

        @rule(person=PERSON, amount=st.sampled_from((-70, -7, 30)), copies=COPIES)
        def adjust(self, person: int, amount: int, copies: int) -> None:
            self.run(world.adjust(person, amount, uuid5(NAMESPACE_OID, str(next(fresh))), copies))

        @rule(pair=PAIR)
        def initiate(self, pair: tuple[int, int]) -> None:
            self.run(world.initiate(*pair))

        @precondition(lambda _: world.model.call)
        @rule(moves=st.lists(MOVES, min_size=1, max_size=3))
        def move(self, moves: list[tuple[str, bool]]) -> None:
            self.run(world.move(*moves))

        @precondition(lambda _: world.model.call)
        @rule()
        def ring_out(self) -> None:
            self.run(world.ring_out())

        @rule(person=PERSON)
        def buy(self, person: int) -> None:
            self.run(world.buy(person))

        @precondition(lambda _: world.model.purchases)
        @rule(which=ANY, kind=KINDS, cents=CENTS, is_told=st.booleans())
        def happen(self, which: int, kind: str, cents: int, is_told: bool) -> None:
            """Its news may come at once, later, or never."""
            world.happen(self.one_of(world.model.purchases, which), kind, cents)
            if is_told and kind != "silent":
                self.run(world.hear(world.model.mail[-1:]))

        @precondition(lambda _: world.model.mail)
        @rule(which=st.lists(ANY, min_size=1, max_size=3))
        def hear(self, which: list[int]) -> None:
            self.run(world.hear([self.one_of(world.model.mail, number) for number in which]))

        @precondition(lambda _: world.model.purchases)
        @rule(which=ANY)
        def refund(self, which: int) -> None:
            self.run(world.refund(self.one_of(world.model.purchases, which)))

        @precondition(lambda _: world.model.purchases)
        @rule(which=st.lists(ANY, max_size=2))
        def reconcile(self, which: list[int]) -> None:
            mail = world.model.mail
            self.run(world.reconcile([self.one_of(mail, number) for number in which if mail]))

        @rule(person=PERSON)
        def begin_ad(self, person: int) -> None:
            self.run(world.begin_ad(person))

        @precondition(lambda _: world.model.nonces)
        @rule(which=ANY, transaction=NAME, copies=COPIES)
        def watch(self, which: int, transaction: str, copies: int) -> None:
            self.run(world.watch(self.one_of(world.model.nonces, which), transaction, copies))

        @staticmethod
        def one_of(things: list[Any], number: int) -> Any:
            return things[number % len(things)]

        @invariant()
        def every_coin_is_where_it_must_be(self) -> None:
            assert world.standing() == world.model.worth

        def teardown(self) -> None:
            if world.model.call is not None:
                self.run(world.move(("end", True)))

    fresh = count()
    return Economy


@pytest.fixture
async def client(make_client: Any) -> Any:
    return await make_client(ad_min_gap=0, ads_trust_mode="ssv")


@pytest.mark.timeout(300)
async def test_coins_are_conserved_whatever_happens(make_person, make_staff, outside, sql):  # noqa: F811
    people = [await make_person(super_lover=lover) for lover in (True, True, False)]
    world = World(people, await make_staff("admin"), outside, sql)
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )

    with capture_logs():
        economy = machine_over(world, asyncio.get_running_loop())
        await asyncio.to_thread(run_state_machine_as_test, economy, settings=profile)
