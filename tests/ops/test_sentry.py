"""Sentry gets every fault, and nothing that must not leave the house."""

import gzip
import json
import logging

import pytest
import sentry_sdk
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from romantic.logs import configure_logs
from romantic.ops.sentry import add_sentry, report
from romantic.settings import load_settings
from tests.waiting import until

#: Put together at run time: the source lines beside a fault are sent as well.
SDP = "a=ice-pwd:" + "P2uYro0UCOQ4" * 2
TOKEN = ".".join(("eyJ" + "hbGciOi", "eyJzdWIiOi", "c2lnbmF0dXJl"))
PHONE = f"+1555{104242:07d}"
CODE = str(482_900 + 13)
WORDS = ("my", "secret", "words")


@pytest.fixture
async def sentry():
    """A server that takes Sentry's envelopes; its `envelopes` are their texts."""
    envelopes = []

    async def take(request):
        body = await request.read()
        envelopes.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode())
        return web.json_response({"id": "1"})

    app = web.Application()
    app.router.add_post("/api/1/envelope/", take)
    async with TestServer(app) as server:
        dsn = f"http://public@127.0.0.1:{server.port}/1"
        settings = load_settings({"ROMANTIC_ENV": "test", "SENTRY_DSN": dsn})
        add_sentry(settings)
        configure_logs(settings, observers=(report,))
        yield envelopes
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.get_global_scope().set_client(None)
    structlog.reset_defaults()
    logging.basicConfig(force=True)


async def sent(envelopes):
    async def has_come():
        return bool(envelopes)

    await until(has_come)
    return json.loads(envelopes[0].splitlines()[2])


async def test_fault_arrives_with_what_finds_it_and_without_secrets(sentry):
    log = structlog.get_logger()
    with structlog.contextvars.bound_contextvars(request_id="req_1", otp_code=CODE):
        try:
            raise ValueError(f"no call for {PHONE} with {TOKEN} and {SDP}")
        except ValueError:
            log.exception("http.crashed", message_text=" ".join(WORDS), route="/api/x")

    event = await sent(sentry)

    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert event["tags"]["request_id"] == "req_1"
    assert event["tags"]["event"] == "http.crashed"
    assert event["contexts"]["line"]["route"] == "/api/x"
    everything = "".join(sentry)
    for secret in (CODE, PHONE, TOKEN, "P2uYro0UCOQ4" * 2, " ".join(WORDS)):
        assert secret not in everything


async def test_error_without_an_exception_arrives_by_its_name(sentry):
    structlog.get_logger().error("ledger.drift", user_id="u1", missing=7)

    event = await sent(sentry)

    assert event["message"] == "ledger.drift"
    assert event["contexts"]["line"]["missing"] == "7"


async def test_what_is_no_fault_stays_here(sentry):
    log = structlog.get_logger()
    log.info("janitor.swept", rows=500)
    log.warning("database.busy")
    log.error("ledger.drift")

    event = await sent(sentry)

    assert event["message"] == "ledger.drift"
    assert len(sentry) == 1
