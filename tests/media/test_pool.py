"""media/pool.py: workers that die, hang and starve, and an application that does not notice."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from romantic.decoding import InvalidImage
from romantic.decoding.worker import MEMORY_BYTES
from romantic.errors import PayloadTooLarge, Unavailable
from romantic.media import ImagePool
from tests.media import pictures
from tests.waiting import until

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ROOT = Path(__file__).parent.parent.parent
PHOTO = pictures.photo()


@pytest.fixture
async def pool():
    pool = ImagePool(workers=1)
    yield pool
    await pool.close()


@pytest.fixture
async def make_stalled():
    """A pool whose only worker is stopped, and its pid."""
    pools = []

    async def make(**options):
        pool = ImagePool(workers=1, **options)
        pools.append(pool)
        await pool.encode(PHOTO)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        return pool, pid

    yield make
    for pool in pools:
        await pool.close()


async def settle():
    """Let tasks that were just made run until they wait for something."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_worker_does_what_the_function_does(pool):
    encoded = await pool.encode(pictures.photo((4000, 3000)))

    assert pictures.sized(encoded.image) == (1080, 810)
    assert pictures.sized(encoded.thumbnail) == (320, 240)


async def test_a_refusal_crosses_the_pipe_with_its_facts(pool):
    with pytest.raises(PayloadTooLarge) as refusal:
        await pool.encode(pictures.TOO_LARGE["100 megapixels"])

    assert refusal.value.meta["limit_pixels"] == 40_000_000


async def test_one_worker_serves_picture_after_picture(pool):
    await pool.encode(PHOTO)
    before = pool.pids

    with pytest.raises(InvalidImage):
        await pool.encode(pictures.DAMAGED["truncated jpeg"])
    await pool.encode(PHOTO)

    assert pool.pids == before


async def test_a_worker_that_died_is_replaced_before_anybody_is_refused(pool):
    await pool.encode(PHOTO)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    await until(lambda: is_gone(pid))
    await settle()

    assert await pool.encode(PHOTO)
    assert pool.pids != [pid]


async def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_a_picture_that_kills_its_worker_is_refused_and_the_next_is_served(make_stalled):
    pool, pid = await make_stalled()
    job = asyncio.create_task(pool.encode(PHOTO))
    await settle()

    os.kill(pid, signal.SIGKILL)

    with pytest.raises(InvalidImage):
        await job
    assert await pool.encode(PHOTO)


async def test_a_picture_that_takes_too_long_is_refused_and_its_worker_ended(make_stalled):
    pool, pid = await make_stalled(seconds=2)

    with pytest.raises(InvalidImage):
        await pool.encode(PHOTO)

    await until(lambda: is_gone(pid))
    assert await pool.encode(PHOTO)


async def test_a_cancelled_job_leaves_no_answer_for_the_next(make_stalled):
    pool, _ = await make_stalled()
    job = asyncio.create_task(pool.encode(PHOTO))
    await settle()

    job.cancel()
    await asyncio.wait({job})

    assert pictures.sized((await pool.encode(pictures.photo((200, 100)))).image) == (200, 100)


async def test_beyond_the_queue_nobody_waits(make_stalled):
    pool, pid = await make_stalled(waiting=2)
    jobs = [asyncio.create_task(pool.encode(PHOTO)) for _ in range(3)]
    await settle()

    with pytest.raises(Unavailable) as refusal:
        await pool.encode(PHOTO)

    assert refusal.value.retry_after
    os.kill(pid, signal.SIGCONT)
    assert all(await asyncio.gather(*jobs))


async def test_no_worker_outlives_its_pool(pool):
    await pool.encode(PHOTO)
    (pid,) = pool.pids

    await pool.close()

    assert await is_gone(pid)


async def test_no_worker_outlives_its_server():
    script = """
import asyncio, os
from romantic.media import ImagePool
from tests.media.pictures import photo
async def main():
    pool = ImagePool()
    await pool.encode(photo())
    print(pool.pids[0], flush=True)
    os._exit(1)
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], cwd=ROOT, capture_output=True
    )

    pid = int(done.stdout)
    await until(lambda: is_gone(pid))


@on_linux
async def test_a_worker_knows_no_secret_and_has_little_memory(pool, monkeypatch):
    monkeypatch.setenv("JWT_SECRET", "k:SECRET")
    await pool.encode(PHOTO)
    worker = psutil.Process(pool.pids[0])

    assert "JWT_SECRET" in os.environ
    assert "JWT_SECRET" not in worker.environ()
    assert worker.rlimit(psutil.RLIMIT_AS) == (MEMORY_BYTES, MEMORY_BYTES)


@on_linux
async def test_bombs_are_refused_before_they_take_memory(pool):
    jobs = [pool.encode(body) for body in pictures.TOO_LARGE.values()]

    outcomes = await asyncio.gather(*jobs, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {PayloadTooLarge}
    assert peak_of(pool.pids[0]) < 100_000_000


def peak_of(pid):
    """The most memory a process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")


@on_linux
async def test_the_largest_picture_allowed_fits(pool):
    body = pictures.bomb(8000, 5000)

    assert pictures.sized((await pool.encode(body)).image) == (1080, 675)
    assert peak_of(pool.pids[0]) > 100_000_000
