"""GET /demo"""

import re

import pytest
from playwright.async_api import expect

from romantic.calls.live import LIVE
from romantic.realtime import HUB
from romantic.realtime.events import CloseCode
from tests.browser.conftest import OpenTab, Site, Tab

pytestmark = pytest.mark.browser

MEDIA = """
async () => {
  const video = document.querySelector('[data-testid="remote-video"]');
  return {
    width: video.videoWidth, time: video.currentTime, frames: video.getVideoPlaybackQuality().totalVideoFrames
  };
}
"""


async def media_of(tab: Tab) -> dict[str, float]:
    return dict(await tab.page.evaluate(MEDIA))


async def plays_on(tab: Tab) -> None:
    """The other person's picture moves: more frames are decoded and shown than a moment ago."""
    before = await media_of(tab)
    await tab.page.wait_for_function(
        """
        (before) => {
          const video = document.querySelector('[data-testid="remote-video"]');
          const frames = video.getVideoPlaybackQuality().totalVideoFrames;
          return video.videoWidth > 0 && video.currentTime > before.time && frames > before.frames;
        }
        """,
        arg=before,
        timeout=15_000,
    )


async def meet(caller: Tab, receiver: Tab, kind: str = "video") -> None:
    """Call, accept, and wait until both meters run."""
    await caller.call("ada", kind)
    await receiver.get("accept").click()
    for tab in (caller, receiver):
        await expect(tab.get("meter")).to_have_attribute("data-state", "billing")


async def coins_of(tab: Tab) -> list[str]:
    """Spent, earned and refunded, as the end card has them."""
    return [await tab.text(f"end-{what}") for what in ("spent", "earned", "refunded")]


async def test_two_tabs_hold_a_video_call_and_see_each_other(ada: Tab, ben: Tab) -> None:
    await meet(ben, ada)

    for tab in (ada, ben):
        await plays_on(tab)
        await expect(tab.get("evidence")).to_have_attribute("data-state", "E2")
        await expect(tab.get("path")).to_have_attribute("data-state", "connected")
        await expect(tab.get("path-pair")).to_have_attribute(
            "data-pair", re.compile(r"^(host|prflx)/(host|prflx)$")
        )
        await expect(tab.get("path-rtt")).to_have_text(re.compile(r"^\d+(\.\d)? ms$"))
        await expect(tab.get("path-picture")).to_have_text(re.compile(r"^\d+×\d+, \d+ fps$"))
        await expect(tab.get("beats")).to_have_text(re.compile(r"over UDP$"))


async def test_both_see_one_bill_at_the_end(ada: Tab, ben: Tab) -> None:
    await meet(ben, ada)
    await expect(ben.get("meter-clock")).to_have_attribute("data-seconds", re.compile("^[1-9]"))

    await ben.get("hang-up").click()

    seconds = []
    for tab in (ada, ben):
        await tab.is_in("ended")
        await expect(tab.get("entry")).to_have_count(1)
        assert await coins_of(tab) == ["50", "25", "0"]
        seconds.append(await tab.get("end-duration").get_attribute("data-seconds"))
    assert seconds[0] == seconds[1]
    assert int(seconds[0] or 0) >= 1
    assert await ben.text("end-why") == "You hung up."
    assert await ada.text("end-why") == "Ben hung up."
    await expect(ben.get("entry")).to_have_attribute("data-type", "spend")
    await expect(ada.get("entry")).to_have_attribute("data-type", "earn")
    await expect(ben.get("balance")).to_have_text("450 coins")
    await expect(ada.get("balance")).to_have_text("75 coins")


async def test_a_declined_call_gives_every_coin_back(ada: Tab, ben: Tab) -> None:
    await ben.call("ada")
    await expect(ben.get("balance")).to_have_text("450 coins")

    await ada.get("decline").click()

    await ben.is_in("ended")
    await ada.is_in("home")
    assert await ben.text("end-why") == "Ada declined. Every coin came back."
    assert await coins_of(ben) == ["0", "0", "50"]
    await expect(ben.get("entry")).to_have_count(2)
    await expect(ben.get("balance")).to_have_text("500 coins")


async def test_a_call_cancelled_while_it_rings_stops_ringing(ada: Tab, ben: Tab) -> None:
    await ben.call("ada", "audio")
    await ada.is_in("incoming")

    await ben.get("cancel").click()

    await ben.is_in("ended")
    await expect(ada.get("notice")).to_have_text("Ben hung up before you answered.")
    await expect(ben.get("balance")).to_have_text("500 coins")


async def test_answering_in_one_tab_stops_the_ringing_in_another(
    open_tab: OpenTab, ada: Tab, ben: Tab
) -> None:
    other = await open_tab("/demo?as=ada")
    await other.is_in("home")
    await ben.call("ada")
    await other.is_in("incoming")

    await ada.get("accept").click()

    await ada.is_in("in-call")
    await other.is_in("home")
    await expect(other.get("notice")).to_have_text("You answered in another tab.")


async def test_a_lost_socket_comes_back_and_the_call_goes_on(site: Site, ada: Tab, ben: Tab) -> None:
    await meet(ben, ada)
    await plays_on(ben)

    for live in site.app[LIVE]:
        for party in live.parties:
            for socket in site.app[HUB].sockets_of(party):
                socket.close(CloseCode.RECONNECT)

    for tab in (ada, ben):
        await expect(tab.get("log").locator("li.in b", has_text="ready")).to_have_count(2)
        await expect(tab.get("socket")).to_have_attribute("data-state", "open")
        await plays_on(tab)
    await ada.get("hang-up").click()
    await ben.is_in("ended")


@pytest.mark.parametrize("site", [{"rtc_max_peers": 0}], indirect=True)
async def test_where_no_channel_comes_up_the_beats_go_over_the_socket(ada: Tab, ben: Tab) -> None:
    await meet(ben, ada, "audio")

    for tab in (ada, ben):
        await expect(tab.get("beats")).to_have_text(re.compile(r"over the socket$"))
        await expect(tab.get("evidence")).to_have_attribute("data-state", "E2")


@pytest.mark.parametrize("site", [{"jwt_access_ttl": 61}], indirect=True)
async def test_an_expiring_token_is_renewed_on_the_same_socket(ada: Tab) -> None:
    await ada.is_in("home")

    await expect(ada.get("log").locator("li.in b", has_text="token-expiring")).to_have_count(1)
    await expect(ada.get("log").locator("li.out b", has_text="auth")).to_have_count(1)
    await expect(ada.get("socket")).to_have_attribute("data-state", "open")


async def test_a_reload_finds_its_way_back_into_the_call(ada: Tab, ben: Tab) -> None:
    await meet(ben, ada)
    await plays_on(ben)

    await ada.page.reload()

    await ada.is_in("in-call")
    await plays_on(ada)
    await plays_on(ben)


async def test_everything_fits_a_small_phone(open_tab: OpenTab, ada: Tab) -> None:
    ben = await open_tab("/demo", viewport={"width": 360, "height": 640})
    await ben.is_in("choose")
    widths = [await ben.width_beyond()]
    await ben.get("choose-ben").click()
    await ben.is_in("home")
    widths.append(await ben.width_beyond())

    await meet(ben, ada)
    await expect(ben.get("path-rtt")).to_have_text(re.compile("ms$"))
    widths.append(await ben.width_beyond())
    await expect(ben.get("hang-up")).to_be_in_viewport()
    await ben.get("hang-up").click()
    await expect(ben.get("entry")).to_have_count(1)
    widths.append(await ben.width_beyond())

    assert widths == [0, 0, 0, 0]


async def test_a_number_of_ones_own_signs_in_by_the_outbox(open_tab: OpenTab) -> None:
    tab, outbox = await open_tab("/demo?as=me"), await open_tab("/dev/outbox")
    await expect(outbox.get("none")).to_be_visible()

    await tab.page.get_by_label("Phone number").fill("+15550123456")
    await tab.page.get_by_role("button", name="Send code").click()
    code = await outbox.get("code").inner_text()
    await tab.page.get_by_label("Six-digit code").fill(code)
    await tab.page.get_by_role("button", name="Verify").click()
    await tab.page.get_by_label("Name").fill("Zoe Quinn")
    await tab.page.get_by_role("button", name="Register").click()

    await tab.is_in("home")
    await expect(tab.get("me-name")).to_have_text("Zoe Quinn")
    await expect(tab.get("balance")).to_have_text("50 coins")
    await expect(tab.get("person")).to_have_count(5)
