"""decoding/worker.py: what is loaded where strangers' bytes are decoded."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LOADED = "import sys; import romantic.decoding.worker, {decoder}; print(*{{name.split('.')[0] for name in sys.modules}})"
OF_THE_SERVER = {"aiohttp", "aiopg", "asyncio", "psycopg2", "redis", "stripe", "structlog"}


def loaded(decoder):
    program = [sys.executable, "-c", LOADED.format(decoder=decoder)]
    return set(subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())


def test_a_worker_loads_its_decoder_and_nothing_of_the_server():
    assert "PIL" in (pictures := loaded("romantic.decoding.images"))
    assert "av" in (recordings := loaded("romantic.decoding.recordings"))
    assert (pictures | recordings) & OF_THE_SERVER == set()
