"""Takes the picture of the README:

    python -m tests.browser.picture http://127.0.0.1:8080 romantic/web/demo.png

Needs a running development server and a Chromium. Both people have the drawn camera, so that the picture is
the same on every machine.
"""

import asyncio
import sys

from playwright.async_api import Browser, Page, async_playwright

from tests.browser.conftest import CHROMIUM, FLAGS

SIZE = {"width": 1080, "height": 650}
PICTURE = {"x": 0, "y": 0, "width": 1080, "height": 638}
CONVERSATION_MS = 14_000  # longer than the shortest call that is billed
OPEN_EYES = "() => performance.now() / 1000 % 4 > 1"


async def take(url: str, path: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        ada, ben = await _open(browser, url, "ada"), await _open(browser, url, "ben")
        await ben.locator('[data-name="ada"]').get_by_test_id("call-video").click()
        await ada.get_by_test_id("accept").click()
        await ben.wait_for_timeout(CONVERSATION_MS)
        await ada.wait_for_function(OPEN_EYES)
        await ben.screenshot(path=path, clip=PICTURE)
        await ben.get_by_test_id("hang-up").click()
        await ben.get_by_test_id("entry").wait_for()
        await browser.close()


async def _open(browser: Browser, url: str, name: str) -> Page:
    context = await browser.new_context(viewport=SIZE)
    page = await context.new_page()
    await page.goto(f"{url}/demo?as={name}&camera=drawn")
    await page.locator('[data-testid="page"][data-state="home"]').wait_for()
    return page


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], sys.argv[2]))
