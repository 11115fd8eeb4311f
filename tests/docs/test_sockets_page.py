"""GET /docs/ws and its files."""

import pytest


async def test_the_page_runs_nothing_inline_and_loads_nothing_from_elsewhere(client):
    response = await client.get("/docs/ws")

    policy = response.headers["Content-Security-Policy"]
    assert response.status == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("name", ["ws.js", "ws.css", "api.js"])
async def test_its_files_are_served(client, name):
    assert (await client.get(f"/docs/ws/{name}")).status == 200


@pytest.mark.parametrize("name", ["demo.js", "ws.html", "..%2Fapp.py", "none.js"])
async def test_nothing_else_is(client, name):
    assert (await client.get(f"/docs/ws/{name}")).status == 404


async def test_demo_people_are_offered_in_development_only(client, make_client):
    development = await make_client(romantic_env="development")

    pages = [await (await one.get("/docs/ws")).text() for one in (client, development)]

    assert ['data-demo="yes"' in page for page in pages] == [False, True]


async def test_the_document_is_served(client):
    response = await client.get("/docs/asyncapi.json")

    assert (await response.json())["asyncapi"] == "3.0.0"
