"""The pages of the documentation in a real browser: complete, strict, and from nowhere else."""

import pytest
from playwright.async_api import expect

#: Swagger UI is a megabyte of script: a busy machine takes its time.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

PAGES = (
    "/docs",
    "/docs/errors",
    "/docs/errors/PAYMENT_PROVIDER_UNAVAILABLE",
    "/docs/guides",
    "/docs/guides/sockets",
    "/docs/guides/configuration",
)
PHONE = {"width": 360, "height": 740}


async def test_reference_is_drawn_from_here_and_tries_requests_out(open_tab):
    tab = await open_tab("/docs")
    page = tab.page
    await expect(page.locator(".opblock").first).to_be_visible()
    await page.click("#demo-token")
    await expect(page.locator("#demo-state")).to_contain_text("Ben")

    operation = page.locator("#operations-coins-getCoinsBalance")
    await operation.locator(".opblock-summary").click()
    await operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table tbody")
    await expect(answer.locator(".response-col_status").first).to_contain_text("200")
    await expect(answer.locator(".highlight-code").first).to_contain_text('"balance": 500')


async def test_index_leads_to_every_part(open_tab):
    page = (await open_tab("/docs")).page
    links = await page.locator("nav a, .cards a").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )

    assert {
        "/docs/ws",
        "/docs/errors",
        "/docs/guides",
        "/docs/openapi.json",
        "/docs/openapi-3.0.json",
    } <= set(links)
    assert {f"/docs/guides/{name}" for name in ("quickstart", "sockets", "configuration", "runbook")} <= set(
        links
    )


async def test_page_of_a_code_leads_back_into_the_reference(open_tab):
    page = (await open_tab("/docs/errors")).page
    await page.get_by_role("link", name="CALL_GLARE").click()
    await expect(page.get_by_role("heading", name="CALL_GLARE")).to_be_visible()

    await page.get_by_role("link", name="POST /api/calls/initiate").click()

    await expect(page.locator("#operations-calls-postCallsInitiate.is-open")).to_be_visible()


async def test_heading_of_a_guide_is_an_anchor(open_tab):
    page = (await open_tab("/docs/guides/sockets#come-back")).page

    await expect(page.locator("#come-back")).to_be_in_viewport()


async def test_old_address_of_a_guide_still_leads_there(open_tab):
    page = (await open_tab("/docs/guide/runbook")).page

    await expect(page).to_have_url(page.url.partition("/docs")[0] + "/docs/guides/runbook")
    await expect(page.get_by_role("heading", name="Runbook")).to_be_visible()


@pytest.mark.parametrize("path", PAGES)
async def test_page_fits_a_phone(path, open_tab):
    tab = await open_tab(path, viewport=PHONE)
    if path == "/docs":
        await expect(tab.page.locator(".opblock").first).to_be_visible()

    assert await tab.width_beyond() <= 0
