"""GET /health/live, /health/ready, /health, /version"""

from romantic.http.health import LIFECYCLE


async def test_ready_names_its_checks(client):
    response = await client.get("/health/ready")

    assert (await response.json())["data"] == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


async def test_draining_process_is_not_ready_and_takes_no_sockets_but_is_alive(client, make_person):
    person = await make_person()
    client.app[LIFECYCLE].draining = True

    ready, live, health = [await client.get(path) for path in ("/health/ready", "/health/live", "/health")]
    socket = await client.get("/ws", headers=person.auth | {"Connection": "Upgrade", "Upgrade": "websocket"})

    assert (ready.status, ready.headers["Retry-After"]) == (503, "5")
    assert (await ready.json())["error"]["meta"]["checks"]["lifecycle"] == "draining"
    assert (live.status, health.status, socket.status) == (200, 200, 503)
    assert (await health.json())["data"]["status"] == "draining"


async def test_without_redis_the_process_is_ready_but_degraded(make_client):
    client = await make_client(redis_url="redis://127.0.0.1:1")

    response = await client.get("/health/ready")

    assert (response.status, (await response.json())["data"]["status"]) == (200, "degraded")


async def test_database_at_another_migration_is_not_ready(client, sql):
    sql("INSERT INTO schema_migrations (name, sha256, seconds) VALUES ('9999_tomorrow', '', 0)")

    response = await client.get("/health/ready")
    sql("DELETE FROM schema_migrations WHERE name = '9999_tomorrow'")

    assert (response.status, (await response.json())["error"]["code"]) == (503, "NOT_READY")


async def test_bodies_name_no_host_and_no_library(client):
    texts = [await (await client.get(path)).text() for path in ("/health", "/health/ready", "/version")]

    assert not [
        text for text in texts if "postgres" in text.lower() or "aiohttp" in text or "127.0.0.1" in text
    ]
