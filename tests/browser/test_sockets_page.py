"""GET /docs/ws"""

import json
import re

import pytest
from playwright.async_api import expect

from romantic.cli.openapi import FOLDER
from tests.browser.conftest import OpenTab, Tab

pytestmark = pytest.mark.browser

DOCUMENT = json.loads((FOLDER / "asyncapi.json").read_text())
TOKEN = """
async () => {
  const post = async (path, body) => (await (await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  })).json()).data;
  await post("/api/auth/send-otp", { phoneNumber: "+10000000002" });
  return (await post("/api/auth/verify-otp", { phoneNumber: "+10000000002", otpCode: "000000" })).accessToken;
}
"""


async def press(tab: Tab, name: str) -> None:
    await tab.page.get_by_role("button", name=name, exact=True).click()


async def connected(tab: Tab) -> None:
    await expect(tab.get("state")).to_have_text("connected")


async def choose(tab: Tab, event: str) -> None:
    await tab.get("event").select_option(event)


async def test_a_demo_person_sends_examples_loses_the_network_and_comes_back(open_tab: OpenTab) -> None:
    tab = await open_tab("/docs/ws")
    log, news = tab.get("log").locator("li"), tab.get("news")
    await tab.get("who").select_option("ben")

    await press(tab, "Connect")
    await connected(tab)
    await expect(log.first).to_contain_text("← ready")
    await press(tab, "Send")
    await expect(log.nth(0)).to_contain_text('"event":"ack","id":1')
    await expect(log.nth(1)).to_contain_text('"event":"pong","data":{"t":123')
    await choose(tab, "message-send")
    await press(tab, "Send")
    await expect(log.filter(has_text='"event":"ack","id":2')).to_contain_text('"coinsSpent":5')
    await tab.get("frame").fill('{"event": "sing", "id": "x"}')
    await press(tab, "Send")
    await expect(log.first).to_contain_text("UNKNOWN_EVENT")
    await tab.get("frame").fill("{nonsense")
    await expect(tab.get("hint")).to_contain_text("no JSON")
    await press(tab, "Send")
    await expect(log.first).to_contain_text("BAD_FRAME")

    await tab.get("drop").focus()
    await tab.page.keyboard.press("Enter")
    await expect(news).to_have_text(
        "1006: no close frame: the network, or no pong. Then: come back and resume."
    )
    await expect(tab.get("resume")).to_be_focused()
    await tab.page.keyboard.press("Enter")
    await connected(tab)
    await expect(log.filter(has_text="→ resume")).to_contain_text('"sessionId":"…"')
    await expect(news).to_have_text(re.compile("^(Back|Resumed|Not resumed)"))
    await press(tab, "Close")
    await expect(news).to_have_text("1000: you have closed it.")
    assert not re.search(r'"token":"[^"…]|s_\w{8}', await tab.get("log").inner_text())


async def test_every_event_is_there_and_the_log_is_bounded_on_a_small_phone(open_tab: OpenTab) -> None:
    tab = await open_tab("/docs/ws", viewport={"width": 360, "height": 640}, color_scheme="dark")
    await press(tab, "Connect")
    await connected(tab)

    await tab.page.evaluate(
        "() => { for (let i = 0; i < 90; i += 1) document.getElementById('send').click(); }"
    )
    await expect(tab.get("count")).to_have_text("The last 200 of 271.")
    await expect(tab.get("log").locator("li")).to_have_count(200)
    await tab.get("filter").fill("pong")
    await expect(tab.get("log").locator("li").first).to_contain_text("← pong")
    assert await tab.get("log").locator("li").count() == 90

    client = [name.removeprefix("receive-") for name in DOCUMENT["operations"] if name.startswith("receive-")]
    server = [name.removeprefix("send-") for name in DOCUMENT["operations"] if name.startswith("send-")]
    assert await tab.get("client-events").locator("summary code").all_inner_texts() == client
    assert await tab.get("server-events").locator("summary code").all_inner_texts() == ["error", *server]
    codes = [str(close["code"]) for close in DOCUMENT["x-close-codes"]]
    assert await tab.get("codes").locator("td:first-child").all_inner_texts() == codes
    await tab.page.locator("#client-webrtc-offer summary").click()
    await expect(tab.page.locator("#client-webrtc-offer")).to_contain_text("targetUserId")
    await tab.page.locator("#client-webrtc-offer").get_by_role("button", name="Use it above").click()
    await expect(tab.get("frame")).to_be_focused()
    await expect(tab.get("frame")).to_have_value(re.compile("webrtc-offer"))
    await tab.page.evaluate("() => { location.hash = 'call-missed'; }")
    await expect(tab.page.locator("#server-call-missed pre").first).to_be_in_viewport()
    await tab.get("find").fill("probe-result")
    await expect(tab.get("server-events").locator("details:visible")).to_have_count(1)
    assert await tab.width_beyond() == 0


@pytest.mark.parametrize("site", [{"romantic_env": "test", "ops_port": 0}], indirect=True)
async def test_outside_development_a_token_connects_and_nobody_is_offered(open_tab: OpenTab) -> None:
    tab = await open_tab("/docs/ws")
    await expect(tab.get("who")).to_be_hidden()

    await tab.get("token").fill(await tab.page.evaluate(TOKEN))
    await press(tab, "Connect")
    await connected(tab)
    await press(tab, "Drop the network")
    await expect(tab.get("news")).to_contain_text("4009: this page has dropped the connection.")
    await press(tab, "Reconnect and resume")
    await connected(tab)
    await press(tab, "Close")
    await tab.get("token").fill("eyJ.no.token")
    await press(tab, "Connect")

    await expect(tab.get("news")).to_have_text(
        "4401: token bad or expired. Then: refresh it, then come back."
    )
