"""The guides: every block runs, in order, against one real development server, and shows what is really answered."""

import json

import pytest

from romantic.docs.guides import BUILDING, OPERATING, file_of
from tests.docs.blocks import DATA, RUNNABLE, Shell, blocks_of, missing_programs, parsed
from tests.test_spec import covers

WRITTEN = [name for name in BUILDING + OPERATING if file_of(name).parent.name == "guides"]
NOTHING = object()


@pytest.fixture(scope="session")
def programs(in_ci):
    """What the blocks call."""
    missing = missing_programs()
    assert not (missing and in_ci), f"CI must have {missing}"
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")


@pytest.fixture
async def shell(programs, start_server, tmp_path, postgres, valkey):
    return Shell(await start_server(), tmp_path, {"DATABASE_URL": postgres, "REDIS_URL": valkey})


def answer_in(output):
    """The JSON that a block printed, if it printed any and nothing else."""
    try:
        return json.loads(output)
    except ValueError:
        return NOTHING


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WRITTEN)
async def test_every_block_runs_and_shows_what_is_answered(name, shell):
    answer = NOTHING
    for block in blocks_of(file_of(name)):
        if block.language in DATA:
            shown = parsed(block)
            if answer is not NOTHING:
                covers(answer, shown, f"line {block.line}")
            answer = NOTHING
        else:
            answer = answer_in(await shell.run(block))


@pytest.mark.parametrize("name", WRITTEN)
def test_every_block_is_of_a_language_that_is_tried(name):
    assert {block.language for block in blocks_of(file_of(name))} <= {*RUNNABLE, *DATA}


def test_every_guide_of_the_folder_is_shown():
    assert sorted(path.stem for path in file_of("calls").parent.glob("*.md")) == sorted(WRITTEN)
