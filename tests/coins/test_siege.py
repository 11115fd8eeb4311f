"""Spends, messages and Stripe's events while PostgreSQL's processes and the server itself are killed."""

import asyncio
import random
from dataclasses import dataclass
from functools import partial

import pytest

from romantic.db.migrations import migrate
from romantic.dev.embedded import free_port, start_postgres
from tests.cli.conftest import make_place  # noqa: F401 - a fixture
from tests.cli.runs import end_of
from tests.coins.siege import (
    Fort,
    ask,
    deliver_all,
    kill_backend,
    new_key,
    offer,
    phones,
    sample,
    settle,
    strike,
)
from tests.folders import open_folder
from tests.stripe_server import SECRET, charge, event

CLIENTS, SENDERS = 50, 8


@dataclass(frozen=True)
class Size:
    spends: int
    coins: int
    messages: int
    sockets: int
    purchases: int
    backends: int
    servers: int


SMALL = Size(spends=2_000, coins=1_500, messages=200, sockets=5, purchases=20, backends=2, servers=1)
FULL = Size(spends=10_000, coins=8_000, messages=5_000, sockets=20, purchases=100, backends=3, servers=3)


@pytest.fixture
def own_postgres():
    """A PostgreSQL that a test may kill; what it confirmed outlives its processes, if not a power cut."""
    with open_folder() as home:
        server = start_postgres(home / "pg", durable=False)
        ask(server.dsn, "ALTER DATABASE romantic SET synchronous_commit = on")
        migrate(server.dsn)
        yield server.dsn
        server.stop()


@pytest.fixture
async def fort(make_place, own_postgres, valkey, outside):  # noqa: F811
    environ = {
        "ROMANTIC_ENV": "test", "HOST": "127.0.0.1", "DATABASE_URL": own_postgres, "REDIS_URL": valkey,
        "WHATSAPP_API_BASE_URL": outside.url, "STRIPE_API_BASE": outside.stripe.url, "STRIPE_WEBHOOK_SECRET": SECRET,
        "RATE_LIMITS": "off", "DRAIN_SECONDS": "0", "GIFT_COST": "1", "MESSAGE_COST": "1", "WS_MAX_SOCKETS": "100",
        "DATABASE_ACQUIRE_SECONDS": "5", "DATABASE_LOCK_SECONDS": "5", "IDEMPOTENCY_LOCK_SECONDS": "3",
    }  # fmt: skip
    fort = Fort(make_place(), free_port("127.0.0.1", random.randrange(20_000, 30_000)), environ)
    with end_of(fort.servers):
        await fort.start()
        yield fort


@pytest.mark.slow
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SMALL, id="small", marks=pytest.mark.timeout(150)),
        pytest.param(FULL, id="full", marks=[pytest.mark.full, pytest.mark.timeout(600)]),
    ],
)
async def test_nothing_is_lost_or_doubled_under_fire(fort, own_postgres, outside, size, record_property):
    dsn = own_postgres
    spends, acked, done, samples = [new_key() for _ in range(size.spends)], {}, [], []
    ids = [[f"{n}-{number}" for number in range(size.messages // size.sockets)] for n in range(size.sockets)]

    async with phones(fort.url) as http:
        spender, buyer, reader = [await settle(http, outside, dsn, coins) for coins in (size.coins, 51, 51)]
        writers = [await settle(http, outside, dsn, size.messages) for _ in range(size.sockets)]
        paid = offer(dsn, buyer, size.purchases)
        news = [event("payment_intent.succeeded", intent) for intent in paid]
        news += [event("charge.refunded", charge(intent, refunded=999)) for intent in paid[::4]]
        queue = [told for told in news for _ in range(random.randint(1, 5))]
        random.shuffle(queue)

        async def spend(n):
            for key in spends[n::CLIENTS]:
                body = {"amount": 1, "action": "gift", "referenceId": key}
                done.append(await spender.insist("/api/coins/spend", body, key))

        blows = [partial(asyncio.to_thread, kill_backend, dsn)] * size.backends + [fort.kill] * size.servers
        random.shuffle(blows)
        async with asyncio.TaskGroup() as group:
            sampler = group.create_task(sample(dsn, samples))
            tasks = [group.create_task(strike(done, size.spends, blows))]
            tasks += [group.create_task(spend(n)) for n in range(CLIENTS)]
            tasks += [group.create_task(deliver_all(http, queue)) for _ in range(SENDERS)]
            tasks += [
                group.create_task(writer.write(reader, names, acked))
                for writer, names in zip(writers, ids, strict=True)
            ]
            await asyncio.gather(*tasks)
            sampler.cancel()

    balances = dict(ask(dsn, "SELECT id::text, coins_balance FROM users"))
    entries = dict(ask(dsn, "SELECT reference_type, count(*) FROM coin_transactions GROUP BY 1"))
    stored = dict(ask(dsn, "SELECT client_message_id, id::text FROM messages"))
    assert (done.count(200), done.count(402)) == (size.coins, size.spends - size.coins)
    assert (balances[spender.id], entries["gift"]) == (0, size.coins)
    assert acked == stored
    assert (set(stored), entries["chat"]) == ({name for names in ids for name in names}, size.messages)
    kept = size.purchases - len(paid[::4])
    assert balances[buyer.id] == 51 + 100 * kept
    assert entries["purchase"] == size.purchases
    record_property("samples", len(samples))
    assert samples
    assert not any(samples)
