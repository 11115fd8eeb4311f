"""GET /demo/check"""

import json
import re
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenTab, Site, Tab

pytestmark = pytest.mark.browser

STEPS = (
    "server", "account", "socket", "rtt", "ice", "gather", "relay",
    "udp", "dtls", "packets", "quality", "network", "devices", "resume",
)  # fmt: skip
GOOD = "✓"
#: On a loaded machine the server's own loop lags, and it says so instead of guessing.
UNSURE = re.compile("^(ok|warn)$")


@pytest.fixture
def short_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("romantic.rtc.probe.PACKETS", 5)
    monkeypatch.setattr("romantic.rtc.probe.ECHO_SECONDS", 0.2)


@pytest.fixture
def long_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement during which something may happen, however busy the machine is."""
    monkeypatch.setattr("romantic.rtc.probe.PACKETS", 500)


async def shows(tab: Tab, state: str, *steps: str) -> None:
    for step in steps:
        await expect(tab.get(f"step-{step}")).to_have_attribute("data-state", state)


async def is_over(tab: Tab) -> None:
    await expect(tab.get("progress")).to_have_text(f"{len(STEPS)} of {len(STEPS)} steps done")
    await expect(tab.get("again")).not_to_have_attribute("aria-disabled", "true")


async def forgive(tab: Tab, *signs: str) -> None:
    """The browser itself complains of every request that fails; where one has to, that is no fault."""
    rest = [line for line in tab.complaints if not any(sign in line for sign in signs)]
    assert rest != tab.complaints
    tab.complaints[:] = rest


async def test_every_step_passes_on_the_loopback_and_the_report_names_nobody(
    open_tab: OpenTab, site: Site
) -> None:
    tab = await open_tab("/demo/check?as=ben")

    await is_over(tab)
    done = [step for step in STEPS if step not in ("relay", "network")]
    await shows(tab, "ok", *done)
    await shows(tab, "skip", "relay")
    await expect(tab.get("step-network")).to_have_attribute("data-state", UNSURE)
    await expect(tab.get("verdict")).to_have_attribute("data-state", UNSURE)
    await expect(tab.get("verdict-title")).to_have_text(re.compile("^Calls (probably )?work from here$"))
    assert [await tab.text(f"state-{step}") for step in done] == ["works"] * len(done)
    await expect(tab.get("words-udp")).to_have_text(re.compile(r"\((host|prflx)/(host|prflx)\)"))
    await expect(tab.get("words-packets")).to_have_text(re.compile(r"^100 packets: [\d.]+ ms there and back"))
    await expect(tab.get("time-packets")).to_have_text(re.compile(r"^\d\.\d s$"))
    secrets = await tab.page.evaluate("() => Object.values(sessionStorage)")
    await tab.page.get_by_text("The report, as it is copied").click()
    report = await tab.text("report")
    assert f"{GOOD} Sign-in: works" in report
    for token in json.loads(secrets[0]).values():
        assert token[-20:] not in report
    assert "10000000002" not in report
    assert re.findall(r"\b127\.0\.0\.\d|::1\b", report) == []


@pytest.mark.parametrize("site", [{"rtc_advertise_ip": "127.0.0.77"}], indirect=True)
async def test_where_udp_is_blocked_that_step_fails_and_says_what_to_do(
    open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("romantic.probe.runs.UDP_SECONDS", 0.4)

    tab = await open_tab("/demo/check?as=ben")

    await is_over(tab)
    await shows(tab, "ok", "server", "account", "socket", "rtt", "ice", "gather", "devices", "resume")
    await shows(tab, "fail", "udp", "network")
    await shows(tab, "skip", "dtls", "packets", "quality")
    await expect(tab.get("advice-udp")).to_contain_text("Leave the VPN or company network")
    await expect(tab.get("words-dtls")).to_have_text("It needs “UDP to the server”.")
    await expect(tab.get("advice-network")).to_contain_text("relay over TCP or TLS")
    await expect(tab.get("verdict-title")).to_have_text("Something stands in the way of calls")
    await expect(tab.get("verdict-words")).to_contain_text("UDP to the server: Nothing came through.")


@pytest.mark.parametrize("site", [{"ws_max_per_process": 0}], indirect=True)
@pytest.mark.usefixtures("short_train")
async def test_where_sockets_are_cut_the_way_of_the_media_is_measured_by_rest(open_tab: OpenTab) -> None:
    tab = await open_tab("/demo/check?as=ben")

    await is_over(tab)
    await shows(tab, "fail", "socket")
    await shows(tab, "skip", "rtt", "resume")
    await shows(tab, "ok", "udp", "dtls", "packets", "quality")
    await expect(tab.get("advice-socket")).to_contain_text("cuts WebSockets")
    await expect(tab.get("verdict-words")).to_contain_text("Socket: It was refused or cut (1006).")
    await forgive(tab, "WebSocket connection")


@pytest.mark.usefixtures("short_train")
async def test_who_is_not_signed_in_is_asked_and_the_check_goes_on_on_a_small_phone(
    open_tab: OpenTab,
) -> None:
    tab = await open_tab("/demo/check", viewport={"width": 360, "height": 640}, color_scheme="dark")
    await tab.is_in("choose")
    widths = [await tab.width_beyond()]
    await tab.get("choose-me").click()

    await shows(tab, "ok", "server")
    await shows(tab, "asking", "account")
    assert await tab.text("state-account") == "needs you"
    await expect(tab.page.get_by_label("Phone number")).to_be_focused()
    widths.append(await tab.width_beyond())
    await tab.page.keyboard.type("+10000000002")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_label("Six-digit code")).to_be_focused()
    await tab.page.keyboard.type("000000")
    await tab.page.keyboard.press("Enter")

    await is_over(tab)
    await shows(tab, "ok", "account", "socket", "udp", "resume")
    await tab.page.get_by_text("The report, as it is copied").click()
    widths.append(await tab.width_beyond())
    await tab.get("again").focus()
    await tab.page.keyboard.press("Enter")
    await expect(tab.get("again")).to_have_attribute("aria-disabled", "true")
    await expect(tab.get("again")).to_be_focused()
    assert widths == [0, 0, 0]


@pytest.mark.usefixtures("short_train")
async def test_the_pause_between_probes_is_waited_out_and_said(
    open_tab: OpenTab, sql: Callable[..., object]
) -> None:
    tab = await open_tab("/demo/check")
    await tab.page.clock.install()
    sql(
        "INSERT INTO probe_results (id, user_id, network_id, created_at)"
        " SELECT gen_random_uuid(), id, 'elsewhere', clock_timestamp() - interval '18 s' FROM users"
    )

    await tab.get("choose-ben").click()

    await expect(tab.get("words-udp")).to_have_text(re.compile(r"going on in 1[0-2] s\.$"))
    await expect(tab.get("again")).to_have_attribute("aria-disabled", "true")
    sql("UPDATE probe_results SET created_at = created_at - interval '1 min'")
    await tab.page.clock.run_for(12_000)
    await shows(tab, "ok", "udp", "packets")


@pytest.mark.usefixtures("long_train")
async def test_a_sign_out_in_the_middle_is_told_as_one(open_tab: OpenTab) -> None:
    tab = await open_tab("/demo/check?as=ben")
    await shows(tab, "ok", "dtls")

    status = await tab.page.evaluate(
        """async () => {
          const { accessToken } = JSON.parse(Object.values(sessionStorage)[0]);
          const headers = { Authorization: `Bearer ${accessToken}` };
          return (await fetch("/api/auth/logout", { method: "POST", headers })).status;
        }"""
    )

    assert status == 200
    await is_over(tab)
    await shows(tab, "fail", "packets", "resume")
    await expect(tab.get("advice-packets")).to_contain_text("sign in")
    await forgive(tab, "status of 401")


@pytest.mark.usefixtures("long_train")
async def test_a_server_that_goes_away_in_the_middle_is_told_as_that(open_tab: OpenTab, site: Site) -> None:
    tab = await open_tab("/demo/check?as=ben")
    await shows(tab, "ok", "dtls")

    await site.die()

    await is_over(tab)
    await shows(tab, "ok", "server", "socket", "udp", "dtls", "devices")
    await shows(tab, "fail", "packets", "resume")
    await expect(tab.get("words-packets")).to_have_text("The server does not answer. Is it running?")
    await expect(tab.get("advice-packets")).to_contain_text("went away in the middle")
    await forgive(tab, "net::ERR_", "WebSocket connection")
