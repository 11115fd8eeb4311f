"""A state machine of calls, driven at random: after every step coins are conserved and states are legal."""

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.calls.stage import Answer, Call, Stage, assert_books_are_straight, initiate

#: Where a call stands in the model, and what it has cost its caller and brought its receiver.
NEXT = {
    ("unanswered", "accept", 1): ("answered", 50, 0),
    ("unanswered", "reject", 1): ("over", 0, 0),
    ("unanswered", "end", 0): ("over", 0, 0),
    ("unanswered", "end", 1): ("over", 0, 0),
    ("unanswered", "expire", None): ("over", 0, 0),
    ("answered", "end", 0): ("over", 50, 25),
    ("answered", "end", 1): ("over", 50, 25),
}


def machine_over(
    stage: Stage, people: list[Any], loop: asyncio.AbstractEventLoop
) -> type[RuleBasedStateMachine]:
    """Two people, both super lovers, on a running server; steps run on the server's loop."""

    class Calls(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.call: Call | None = None
            self.state = "none"
            self.cost = self.earning = 0
            stage.sql("SET session_replication_role = replica")
            stage.sql("UPDATE calls SET created_at = created_at - interval '1 hour'")
            stage.sql("SET session_replication_role = DEFAULT")
            self.balances = [stage.moved(person) for person in people]

        def run(self, move: Any) -> Answer:
            return asyncio.run_coroutine_threadsafe(move, loop).result(10)

        @rule(caller=st.integers(0, 1))
        def initiate(self, caller: int) -> None:
            roles = people[caller], people[1 - caller]
            before = [stage.moved(person) for person in people]
            answer = self.run(initiate(*roles))
            expected = 409 if self.state in ("unanswered", "answered") else 200
            assert answer.status in (expected, 429)
            if answer.status == 200:
                self.call, self.state = Call(*roles, answer.data["callId"], stage.sql), "unanswered"
                self.cost, self.earning, self.balances = 50, 0, before
                self.roles = [caller, 1 - caller]

        @rule(name=st.sampled_from(["accept", "reject", "end"]), who=st.integers(0, 1))
        def move(self, name: str, who: int) -> None:
            if self.call is None:
                return
            by = (self.call.caller, self.call.receiver)[who]
            answer = self.run(getattr(self.call, name)(by=by))
            step = NEXT.get((self.state, name, who))
            repeats = name == "end" and self.state == "over"
            assert (answer.status == 200) == (step is not None or repeats), answer
            self.take(step)

        @rule()
        def expire(self) -> None:
            if self.state == "unanswered":
                stage.sql("UPDATE calls SET ring_deadline = now() WHERE ended_at IS NULL")
                assert self.run(self.call.over())[0] == "missed"
            self.take(NEXT.get((self.state, "expire", None)))

        def take(self, step: tuple[str, int, int] | None) -> None:
            if step is not None:
                self.state, self.cost, self.earning = step

        @invariant()
        def coins_are_where_the_model_has_them(self) -> None:
            assert_books_are_straight(stage.sql)
            if self.call is not None:
                caller, receiver = self.roles
                assert stage.moved(people[caller]) == self.balances[caller] - self.cost
                assert stage.moved(people[receiver]) == self.balances[receiver] + self.earning

        def teardown(self) -> None:
            if self.call is not None:
                self.run(self.call.end())

    return Calls


async def test_random_moves_conserve_coins(stage):
    people = [await stage.person(coins=100_000, super_lover=True) for _ in range(2)]
    calls = machine_over(stage, people, asyncio.get_running_loop())
    profile = settings(
        max_examples=20,
        stateful_step_count=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )

    await asyncio.to_thread(run_state_machine_as_test, calls, settings=profile)

    assert stage.sql("SELECT count(*) > 20 FROM calls") == [(True,)]
