"""The queue: nothing is lost, nothing is done by two at once, nothing is tried for ever."""

import asyncio

import pytest

from romantic.jobs import GiveUp, Retry, add_job, enqueue
from romantic.jobs.queue import drop_jobs, list_jobs, retry_jobs
from romantic.jobs.worker import Work, backoff_of
from tests.waiting import until


def ended(states, *expected):
    async def holds():
        return states() == list(expected)

    return until(holds)


async def test_job_runs_once_its_transaction_is_committed(open_shop, states):
    # Nothing is polled for: only the commit can have woken the worker.
    shop = await open_shop(jobs_poll_seconds=3600)

    await shop.enqueue({"to": "Ann"})
    await shop.has_run(1)

    (job,) = shop.runs
    assert (job.kind, job.payload, job.attempt) == ("test", {"to": "Ann"}, 1)
    await ended(states, ("done", 1, None))


async def test_job_of_a_transaction_that_fails_never_was(shop, states):
    async def fail():
        async with shop.database.transaction() as conn:
            await enqueue(conn, "test", {"n": 1})
            raise OSError

    with pytest.raises(OSError):
        await fail()

    await shop.enqueue({"n": 2})
    await shop.has_run(1)

    assert [job.payload for job in shop.runs] == [{"n": 2}]


async def test_what_a_done_job_was_about_is_forgotten(shop, sql, states):
    await shop.enqueue({"to": "Ann"})
    await ended(states, ("done", 1, None))

    assert sql("SELECT payload FROM jobs") == [({},)]


async def test_hundred_jobs_are_each_done_by_one_of_three_workers(open_shop, states):
    shops = [await open_shop() for _ in range(3)]
    for number in range(100):
        await shops[0].enqueue({"n": number})

    await ended(states, *[("done", 1, None)] * 100)

    assert sorted(job.payload["n"] for shop in shops for job in shop.runs) == list(range(100))


async def test_no_more_jobs_run_at_once_than_allowed(open_shop, states):
    shop = await open_shop(jobs_concurrency=2)
    at_once = most = 0

    async def act(_):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    shop.act = act
    for _ in range(12):
        await shop.enqueue()

    await ended(states, *[("done", 1, None)] * 12)
    assert most == 2


async def test_lane_takes_a_third_of_the_places_and_goes_on_as_they_become_free(open_shop, states):
    """A provider is slow: work of other kinds passes by."""
    shop = await open_shop(kinds=("slow",), how={"lane": "slow"}, jobs_concurrency=6, jobs_poll_seconds=3600)
    add_job(shop.app, "quick", shop.handle)
    hold, at_once, most = asyncio.Event(), 0, 0

    async def act(job):
        nonlocal at_once, most
        if job.kind == "slow":
            at_once += 1
            most = max(most, at_once)
            await hold.wait()
            at_once -= 1

    shop.act = act
    for _ in range(6):
        await shop.enqueue(kind="slow")
    await shop.has_run(2)
    for _ in range(3):
        await shop.enqueue(kind="quick")
    await shop.has_run(5)
    begun = [job.kind for job in shop.runs]
    hold.set()

    await ended(states, *[("done", 1, None)] * 9)
    assert (begun, most) == (["slow"] * 2 + ["quick"] * 3, 2)


async def test_second_job_of_a_key_is_none_while_the_first_is_unfinished(shop, states):
    for delay in (3600, 0, 0):
        await shop.enqueue(key="k", delay=delay)
    await shop.enqueue(key="other")
    await shop.enqueue(key="k", kind="another kind")

    await ended(states, ("waiting", 0, None), ("done", 1, None), ("waiting", 0, None))


async def test_no_more_of_a_kind_wait_than_its_work_is_worth(shop, sql):
    for _ in range(4):
        await shop.enqueue(delay=3600, most=3)
    await shop.enqueue(kind="other", delay=3600, most=1)
    sql("UPDATE jobs SET status = 'done', finished_at = now() WHERE id = (SELECT min(id) FROM jobs)")
    await shop.enqueue(delay=3600, most=3)

    assert sql("SELECT kind, count(*) FROM jobs WHERE status = 'waiting' GROUP BY 1 ORDER BY 1") == [
        ("other", 1),
        ("test", 3),
    ]


async def test_key_is_free_again_once_its_job_is_done(shop, states):
    await shop.enqueue(key="k")
    await ended(states, ("done", 1, None))
    await shop.enqueue(key="k")

    await ended(states, ("done", 1, None), ("done", 1, None))


async def test_twenty_enqueue_one_key_at_once_and_one_job_comes_of_it(shop, sql):
    await asyncio.gather(*(shop.enqueue(key="k", delay=3600) for _ in range(20)))

    assert sql("SELECT count(*) FROM jobs") == [(1,)]


async def test_delayed_job_runs_at_its_time_without_waiting_for_a_poll(open_shop):
    shop = await open_shop(jobs_poll_seconds=3600)

    await shop.enqueue(delay=0.3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await shop.has_run(1)

    assert loop.time() - began >= 0.2


async def test_failing_job_is_tried_again_until_its_attempts_are_used_up(open_shop, states):
    shop = await open_shop(how={"attempts": 3})

    async def act(_):
        raise OSError("secret of a person")

    shop.act = act
    await shop.enqueue()

    await ended(states, ("dead", 3, "OSError"))
    assert [job.attempt for job in shop.runs] == [1, 2, 3]


async def test_handler_says_when_it_wants_to_be_asked_again_whatever_the_poll(open_shop, states):
    shop = await open_shop(how={"backoff": 3600}, jobs_poll_seconds=3600)

    async def act(job):
        if job.attempt == 1:
            raise Retry(after=0.05, reason="busy")

    shop.act = act
    await shop.enqueue()

    await ended(states, ("done", 2, None))


async def test_job_that_is_given_up_is_dead_at_once_and_keeps_what_it_was_about(shop, sql, states):
    async def act(_):
        raise GiveUp("no such phone")

    shop.act = act
    await shop.enqueue({"n": 1})

    await ended(states, ("dead", 1, "no such phone"))
    assert sql("SELECT payload FROM jobs") == [({"n": 1},)]


async def test_handler_is_cut_off_at_its_timeout(open_shop, states):
    shop = await open_shop(how={"attempts": 1, "timeout": 0.05})

    async def act(_):
        await asyncio.sleep(3600)

    shop.act = act
    await shop.enqueue()

    await ended(states, ("dead", 1, "TimeoutError"))


async def test_job_is_not_begun_after_its_deadline(shop, sql, states):
    await shop.enqueue({"n": 1}, delay=0.2, expires_in=0.1)
    await shop.enqueue({"n": 2}, expires_in=3600)

    await ended(states, ("expired", 1, None), ("done", 1, None))
    assert [job.payload for job in shop.runs] == [{"n": 2}]


async def test_job_of_a_killed_worker_is_taken_again_when_its_lease_is_over(shop, sql, states):
    """As a kill -9 leaves it: claimed, never finished."""
    sql(
        "INSERT INTO jobs (kind, payload, status, attempts, run_at)"
        " VALUES ('test', '{}', 'running', 1, now() + interval '0.3 seconds')"
    )

    await ended(states, ("done", 2, None))


async def test_job_that_kills_its_worker_each_time_dies_in_the_end(open_shop, sql, states):
    shop = await open_shop(how={"attempts": 3})
    sql(
        "INSERT INTO jobs (kind, payload, status, attempts, run_at) VALUES ('test', '{}', 'running', 3, now())"
    )

    await ended(states, ("dead", 4, "every attempt was cut short"))
    assert shop.runs == []


async def test_worker_that_lost_its_lease_does_not_overwrite_the_outcome(shop, sql, states):
    hold = asyncio.Event()

    async def act(job):
        if job.attempt == 1:
            sql("UPDATE jobs SET run_at = now()")
            await hold.wait()
            raise GiveUp("too late to say")

    shop.act = act
    await shop.enqueue()
    await ended(states, ("done", 2, None))
    hold.set()
    await shop.close()

    assert states() == [("done", 2, None)]


async def test_kinds_a_process_does_not_know_wait_for_one_that_does(open_shop, states):
    shop = await open_shop()
    await shop.enqueue(kind="new")
    await shop.enqueue()
    await ended(states, ("waiting", 0, None), ("done", 1, None))

    newer = await open_shop(kinds=("test", "new"))
    await newer.has_run(1)

    assert [job.kind for job in newer.runs] == ["new"]


async def test_stopping_lets_a_job_end_and_gives_back_the_one_that_does_not(open_shop, states):
    shop = await open_shop(jobs_drain_seconds=0.5)

    async def act(job):
        await asyncio.sleep(3600 if job.payload["slow"] else 0.1)

    shop.act = act
    await shop.enqueue({"slow": True})
    await shop.enqueue({"slow": False})
    await shop.has_run(2)

    await shop.close()

    assert states() == [("waiting", 0, None), ("done", 1, None)]


async def test_worker_outlives_the_absence_of_the_database(shop, sql, states):
    """Every connection is cut."""
    sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'romantic' AND pid <> pg_backend_pid()"
    )
    sql("INSERT INTO jobs (kind, payload, run_at) VALUES ('test', '{}', now())")

    await ended(states, ("done", 1, None))


async def test_dead_job_can_be_tried_again_and_others_cannot(shop, sql, states):
    broken = True

    async def act(_):
        if broken:
            raise GiveUp("broken")

    shop.act = act
    await shop.enqueue()
    await shop.enqueue(delay=3600)
    await ended(states, ("dead", 1, "broken"), ("waiting", 0, None))
    ids = [job_id for (job_id,) in sql("SELECT id FROM jobs ORDER BY id")]

    broken = False
    async with shop.database.transaction() as conn:
        assert await retry_jobs(conn, ids) == ids[:1]

    await ended(states, ("done", 1, None), ("waiting", 0, None))


async def test_dead_job_with_an_unfinished_twin_or_a_missed_deadline_stays_dead(shop, sql):
    sql(
        "INSERT INTO jobs (kind, key, payload, status, run_at, expires_at, finished_at) VALUES"
        " ('x', 'k', '{}', 'dead', now(), NULL, now()), ('x', 'k', '{}', 'waiting', now(), NULL, NULL),"
        " ('x', NULL, '{}', 'dead', now(), now(), now())"
    )
    ids = [job_id for (job_id,) in sql("SELECT id FROM jobs")]

    async with shop.database.transaction() as conn:
        assert await retry_jobs(conn, ids) == []


async def test_jobs_are_listed_without_what_they_are_about_and_dropped(shop, sql):
    await shop.enqueue({"to": "Ann"}, kind="unknown")

    async with shop.database.transaction() as conn:
        (row,) = await list_jobs(conn, status="waiting")
        assert "payload" not in row
        assert await drop_jobs(conn, [row["id"], 10**9]) == [row["id"]]
        assert await list_jobs(conn) == []


def test_kind_has_one_handler(shop):
    class App(dict):
        pass

    app = App()
    add_job(app, "x", shop.handle)

    with pytest.raises(ValueError, match="x has a handler"):
        add_job(app, "x", shop.handle)


def test_backoff_doubles_up_to_a_bound_and_is_spread_from_zero():
    work = Work(None, 10, 1.0, 2.0)

    waits = {attempt: [backoff_of(work, attempt) for _ in range(400)] for attempt in (1, 3, 40)}

    assert 1.5 < max(waits[1]) <= 2
    assert 6 < max(waits[3]) <= 8
    assert 600 < max(waits[40]) <= 900
    assert all(min(spread) < max(spread) / 10 for spread in waits.values())
