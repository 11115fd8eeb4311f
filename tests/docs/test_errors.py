"""Every error code has a page that says what an app does about it."""

import re

import pytest

from romantic.app import EVENTS, ROUTES
from romantic.docs import occurrences
from romantic.docs.error_pages import advice, catalogue
from romantic.docs.openapi import documented, operation_of
from romantic.docs.refusals import ANYWHERE, GUARDS, refusals_of

CODES = sorted(catalogue())


def test_every_code_has_hand_written_advice_and_no_advice_is_left_over():
    assert sorted(advice()) == CODES
    assert [code for code, text in advice().items() if len(text) < 30] == []


def test_development_has_codes_of_its_own_that_no_app_meets():
    assert "ALREADY_SETTLED" not in CODES


@pytest.mark.parametrize("code", CODES)
async def test_page_says_meaning_advice_place_and_example(code, client):
    response = await client.get(f"/docs/errors/{code}")
    page = await response.text()

    assert response.status == 200
    assert f"<h1>{code}</h1>" in page
    assert f"{int(catalogue()[code].status)} {catalogue()[code].status.phrase}" in page
    assert "What the app does" in page
    assert f"&quot;code&quot;: &quot;{code}&quot;" in page


async def test_index_leads_to_every_page(client):
    index = await (await client.get("/docs/errors")).text()

    assert re.findall(r'href="/docs/errors/([A-Z_]+)"', index) == CODES


@pytest.mark.parametrize("code", ["NO_SUCH_CODE", "call_glare", "ALREADY_SETTLED", "<script>"])
async def test_unknown_code_is_not_found(code, client):
    assert (await client.get(f"/docs/errors/{code}")).status == 404


def test_every_code_is_said_to_occur_somewhere():
    nowhere = {
        code for code in CODES if not occurrences.operations().get(code) and not occurrences.events(code)
    }

    assert nowhere == set(ANYWHERE)


def test_pages_know_the_operations_that_the_route_tables_name():
    named = {
        f"{route.method} {route.path}": refusals_of(route, operation_of(route))
        for route in documented(ROUTES)
    }
    initiate = {error.code for ones in named["POST /api/calls/initiate"].values() for error in ones}
    shown = {
        code
        for code, places in occurrences.operations().items()
        if "POST /api/calls/initiate" in [place.title for place in places]
    }

    assert {"CALL_GLARE", "INSUFFICIENT_COINS", "RATE_LIMITED", "IDEMPOTENCY_KEY_REUSED"} <= initiate
    assert shown == initiate


def test_events_and_guards_that_are_named_exist():
    assert set(occurrences.EVENTS) <= {event.name for event in EVENTS}
    assert {route.guard.__name__ for route in ROUTES} <= set(GUARDS)
    assert {code for codes in occurrences.EVENTS.values() for code in codes.split()} <= set(CODES)
