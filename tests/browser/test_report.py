"""The page a probe leaves behind, in a real browser without scripts: it draws its plots and asks for nothing."""

import pytest
from playwright.async_api import expect

from romantic.cli.probe.formats import page as report_page
from tests.cli.probe.test_formats import BAD, GOOD, report

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("width", [360, 1200])
async def test_a_report_opens_without_scripts_and_draws_its_plots(browser, tmp_path, width):
    report_page.write(report(GOOD, BAD, GOOD), tmp_path / "r.html")
    context = await browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    page = await context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: complaints.append(line.text))

    await page.goto((tmp_path / "r.html").as_uri())

    await expect(page.locator(".verdict")).to_have_text("CRITICAL")
    await expect(page.get_by_text("loss 12 % is above 10 %").first).to_be_visible()
    plots = await page.locator("svg").all()
    boxes = [await plot.bounding_box() for plot in plots]
    assert len(plots) >= 5
    assert [
        box for box in boxes if box["width"] < 150 or box["height"] < 50 or box["x"] + box["width"] > width
    ] == []
    assert await page.locator("polyline, rect").count() > 10
    assert (asked, complaints) == ([(tmp_path / "r.html").as_uri()], [])
    await context.close()
