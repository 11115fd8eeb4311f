"""The pages of the documentation in a real browser: complete, strict, and from nowhere else."""

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
async def page(browser, site):
    """A page that notes every request and every complaint."""
    context = await browser.new_context()
    page = await context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    await context.close()


async def test_reference_is_drawn_from_here_and_tries_requests_out(page, site):
    await page.goto(f"{site.url}/docs")
    await expect(page.locator(".opblock").first).to_be_visible()
    await page.click("#demo-token")
    await expect(page.locator("#demo-state")).to_contain_text("Ben")

    operation = page.locator("#operations-coins-getCoinsBalance")
    await operation.locator(".opblock-summary").click()
    await operation.get_by_role("button", name="Execute").click()

    await expect(operation.locator(".live-responses-table tbody .response-col_status").first).to_contain_text(
        "200"
    )
    assert [url for url in page.asked if not url.startswith((site.url, "data:", "blob:"))] == []
    assert page.complaints == []


async def test_error_codes_have_their_paragraphs(page, site):
    await page.goto(f"{site.url}/docs/errors#INSUFFICIENT_COINS")

    await expect(page.locator("#INSUFFICIENT_COINS")).to_be_in_viewport()
    assert page.complaints == []


async def test_guides_are_pages(page, site):
    await page.goto(f"{site.url}/docs/guide/runbook")

    await expect(page.get_by_role("heading", name="Runbook")).to_be_visible()
    assert page.complaints == []
