"""Browsers of the configured origins may call, others may not."""

import pytest

ORIGIN = "https://app.example"
ASKING = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,idempotency-key",
}


@pytest.fixture
async def node(make_client):
    return await make_client(cors_origins=ORIGIN)


async def test_configured_origin_may_ask_and_read(node):
    preflight = await node.options("/api/coins/spend", headers={"Origin": ORIGIN} | ASKING)
    answer = await node.post("/api/coins/spend", json={}, headers={"Origin": ORIGIN})

    assert preflight.status == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert preflight.headers["Access-Control-Max-Age"] == "600"
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN  # a 401 is readable, too
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.evil", "http://app.example", "null", "[", ""]
)
async def test_other_origin_is_refused_in_the_envelope_and_never_reflected(node, origin):
    preflight = await node.options("/api/coins/spend", headers={"Origin": origin} | ASKING)
    answer = await node.get("/api/coins/balance", headers={"Origin": origin})

    assert 400 <= preflight.status < 500
    assert (await preflight.json())["success"] is False
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_no_origin_is_allowed_by_default(client):
    preflight = await client.options("/api/coins/spend", headers={"Origin": ORIGIN} | ASKING)

    assert preflight.status == 405
    assert "Access-Control-Allow-Origin" not in preflight.headers
