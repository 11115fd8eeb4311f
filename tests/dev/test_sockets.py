"""POST /dev/sockets/cut"""

import pytest
from aiohttp import WSMsgType

from tests.conftest import MakeApp


@pytest.fixture
async def client(make_client: MakeApp):
    return await make_client(romantic_env="development")


async def test_only_the_sockets_of_the_session_that_asks_are_cut_without_a_goodbye(
    client, make_person, connect
):
    ann, ben = await make_person(at=client), await make_person(at=client)
    hers, his = await connect(ann), await connect(ben)

    answer = await (await ann.post("/dev/sockets/cut")).json()

    assert answer["data"] == {"cut": 1}
    message = await hers.ws.receive(timeout=5)
    assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
    assert hers.ws.close_code == 1006
    assert await his.ask("ping") == {}


async def test_nobody_is_cut_by_a_stranger(client):
    assert (await client.post("/dev/sockets/cut")).status == 401


async def test_it_does_not_exist_outside_development(make_client: MakeApp):
    client = await make_client(romantic_env="test")

    assert (await client.post("/dev/sockets/cut")).status == 404
