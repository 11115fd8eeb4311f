"""GET /admin: the moderators' page, by mouse, by keyboard alone, and on a small phone"""

import re
from typing import Any

import pytest
from aiohttp import ClientSession
from playwright.async_api import expect

from tests.browser.conftest import OpenTab, Site, Tab

pytestmark = pytest.mark.browser

ADA, BEN, CLEO = "+10000000001", "+10000000002", "+10000000003"
CODE = "000000"
PHONE = {"width": 360, "height": 640}


class Reporter:
    """Ben's phone: what he writes and reports over REST."""

    def __init__(self, session: ClientSession, token: str, people: dict[str, str]) -> None:
        self._session = session
        self._auth = {"Authorization": f"Bearer {token}"}
        self.people = people

    async def post(self, path: str, body: dict[str, Any]) -> None:
        async with self._session.post(path, json=body, headers=self._auth) as response:
            assert response.status == 200, await response.text()

    async def report(self, name: str, reason: str, description: str) -> None:
        body = {"targetUserId": self.people[name], "reason": reason, "description": description}
        await self.post("/api/users/report", body)


@pytest.fixture
async def ben(site: Site, sql: Any):
    """Ben, who reports others; Ada is a moderator."""
    sql("UPDATE users SET role = 'moderator' WHERE phone_number = %s", ADA)
    people = {name.split()[0]: str(user_id) for name, user_id in sql("SELECT full_name, id FROM users")}
    async with ClientSession(site.url) as session:
        async with session.post("/api/auth/send-otp", json={"phoneNumber": BEN}):
            pass
        proof = {"phoneNumber": BEN, "otpCode": CODE}
        async with session.post("/api/auth/verify-otp", json=proof) as answer:
            token = (await answer.json())["data"]["accessToken"]
        yield Reporter(session, token, people)


@pytest.fixture
async def two_reports(ben: Reporter) -> None:
    await ben.post(
        "/api/messages/send", {"receiverId": ben.people["Cleo"], "messageText": "Are you <b>real</b>?"}
    )
    await ben.report("Cleo", "Fake profile", "The photos are of somebody else.\nI asked.")
    await ben.report("Dev", "Spam", "Sends the same link to everybody.")


async def sign_in(tab: Tab, number: str = ADA) -> None:
    await tab.is_in("signed-out")
    await tab.page.get_by_label("Phone number").fill(number)
    await tab.page.get_by_role("button", name="Send code").click()
    await tab.page.get_by_label("Six-digit code").fill(CODE)
    await tab.page.get_by_role("button", name="Sign in").click()


@pytest.fixture
async def desk(open_tab: OpenTab, two_reports: None) -> Tab:
    tab = await open_tab("/admin")
    await sign_in(tab)
    await tab.is_in("reports")
    return tab


async def focused(tab: Tab) -> str:
    return str(await tab.page.evaluate("() => document.activeElement.id || document.activeElement.name"))


async def test_a_report_is_read_decided_and_stands_in_the_audit_log(desk: Tab, sql: Any) -> None:
    await expect(desk.get("report-option")).to_have_count(2)
    await desk.get("report-option").first.click()
    await expect(desk.get("report")).to_be_visible()
    await expect(desk.get("description")).to_contain_text("somebody else")
    await expect(desk.get("reported")).to_contain_text("Cleo Dubois, 26")
    await expect(desk.get("reported")).to_contain_text("once, 1 open")
    await expect(desk.get("reporter")).to_contain_text("Has reportedtwice, 0 dismissed")
    await expect(desk.get("message")).to_have_count(0)
    await desk.get("show-messages").click()
    await expect(desk.get("message")).to_contain_text(["Are you <b>real</b>?"])

    await desk.get("decide-suspend").click()
    await desk.page.get_by_label("For how many days").fill("3")
    await desk.page.get_by_label("Reason").fill("Photos of an actress")
    await desk.get("confirm").click()

    await expect(desk.get("said")).to_have_text("Suspended: Cleo Dubois.")
    await expect(desk.get("report-option")).to_have_count(1)
    await expect(desk.get("pending")).to_have_text("1")
    assert sql("SELECT status, extract(day FROM suspended_until - now())::int FROM users WHERE phone_number = %s", CLEO) == [("suspended", 2)]  # fmt: skip
    await desk.page.get_by_role("button", name="Audit").click()
    rows = desk.get("audit").locator("tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(0)).to_contain_text("user.suspended")
    await expect(rows.nth(1)).to_contain_text("Photos of an actress")
    await expect(rows.nth(2)).to_contain_text("report.read_messages")
    assert not await desk.page.evaluate(
        "() => localStorage.length + sessionStorage.length + document.cookie.length"
    )


async def test_everything_can_be_done_with_the_keyboard_alone(
    open_tab: OpenTab, two_reports: None, sql: Any
) -> None:
    tab = await open_tab("/admin")
    await tab.is_in("signed-out")
    keys = tab.page.keyboard
    await keys.type(ADA)
    await keys.press("Enter")
    await expect(tab.page.get_by_label("Six-digit code")).to_be_focused()
    await keys.type(CODE)
    await keys.press("Enter")
    await expect(tab.get("report-option")).to_have_count(2)
    await expect(tab.get("queue")).to_be_focused()

    await keys.press("?")
    await expect(tab.get("keys")).to_be_visible()
    await keys.press("Escape")
    await expect(tab.get("keys")).to_be_hidden()
    await keys.press("j")
    await expect(tab.get("report-option").nth(1)).to_have_attribute("aria-selected", "true")
    await keys.press("k")
    await keys.press("Enter")
    await expect(tab.get("report")).to_be_focused()
    await keys.press("m")
    await expect(tab.get("message")).to_have_count(1)
    await keys.press("5")
    await keys.press("Escape")
    await expect(tab.get("decide")).to_be_hidden()
    await keys.press("2")
    await expect(tab.page.get_by_label("Reason")).to_be_focused()
    await keys.type("j1? is text here")
    await keys.press("Control+Enter")

    await expect(tab.get("said")).to_have_text("Warned: Cleo Dubois.")
    await expect(tab.get("queue")).to_be_focused()
    await keys.press("Enter")
    await expect(tab.get("description")).to_contain_text("same link")
    await keys.press("1")
    await keys.type("one link only")
    await keys.press("Control+Enter")
    await expect(tab.get("nothing")).to_be_visible()
    assert sql("SELECT status, action, admin_notes FROM reports ORDER BY created_at") == [
        ("resolved", "warn", "j1? is text here"), ("dismissed", "none", "one link only"),
    ]  # fmt: skip
    for key, view in (("c", "calls"), ("n", "numbers"), ("a", "audit"), ("r", "reports")):
        await keys.press(key)
        await tab.is_in(view)


async def test_somebody_elses_decision_is_shown_instead_of_overwritten(desk: Tab, sql: Any) -> None:
    await desk.get("report-option").first.click()
    await desk.get("decide-ban").click()
    await desk.page.get_by_label("Reason").fill("Too late")
    sql("UPDATE reports SET status = 'dismissed', version = 2 WHERE reason = 'Fake profile'")

    await desk.get("confirm").click()

    await expect(desk.get("failed")).to_contain_text("Somebody else has changed this report")
    await expect(desk.get("decisions")).to_be_empty()
    assert sql("SELECT status FROM users WHERE phone_number = %s", CLEO) == [("active",)]
    desk.complaints = [text for text in desk.complaints if "409" not in text]


async def test_live_calls_and_numbers_are_shown(desk: Tab, ben: Reporter) -> None:
    await ben.post("/api/calls/initiate", {"receiverId": ben.people["Ada"], "callType": "video"})

    await desk.page.keyboard.press("c")
    await expect(desk.get("calls").locator("tbody tr")).to_contain_text(["Ben Franklin → Ada Lovelace"])
    await expect(desk.get("calls")).to_contain_text("not measured")
    await desk.page.keyboard.press("n")
    await expect(desk.get("plot")).to_have_count(5)
    await expect(desk.get("totals")).to_contain_text("Reports waiting2")
    await expect(desk.page.get_by_role("img", name="Calls a day", exact=True)).to_be_visible()
    await expect(desk.get("plot").last.locator("rect")).to_have_count(1)
    await expect(desk.get("days").locator("tbody tr")).to_have_count(14)


async def test_an_ended_session_asks_to_sign_in_again_and_shows_nothing_more(desk: Tab, sql: Any) -> None:
    await desk.get("report-option").first.click()
    await expect(desk.get("report")).to_be_visible()
    sql("UPDATE admin_sessions SET revoked_at = now()")

    await desk.page.keyboard.press("a")

    await desk.is_in("signed-out")
    await expect(desk.get("said")).to_contain_text("Sign in again")
    await expect(desk.page.get_by_text("somebody else")).to_have_count(0)
    desk.complaints = [text for text in desk.complaints if "401" not in text]


async def test_somebody_who_is_no_moderator_stays_outside(open_tab: OpenTab, ben: Reporter) -> None:
    tab = await open_tab("/admin")

    await sign_in(tab, BEN)

    await expect(tab.get("failed")).to_have_text("This is for moderators.")
    await tab.is_in("signed-out")
    tab.complaints = [text for text in tab.complaints if "403" not in text]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_fits_a_small_phone(
    open_tab: OpenTab, two_reports: None, ben: Reporter, scheme: str
) -> None:
    await ben.post("/api/calls/initiate", {"receiverId": ben.people["Ada"], "callType": "video"})
    tab = await open_tab("/admin", viewport=PHONE, color_scheme=scheme)
    widths = [await tab.width_beyond()]
    await sign_in(tab)
    await expect(tab.get("report-option")).to_have_count(2)
    widths.append(await tab.width_beyond())
    await tab.get("report-option").first.click()
    await tab.get("show-messages").click()
    await tab.get("decide-suspend").click()
    await expect(tab.get("queue")).to_be_hidden()
    widths.append(await tab.width_beyond())
    await tab.page.get_by_role("button", name="← Queue").click()
    for name, testid in (("Live calls", "calls"), ("Numbers", "plots"), ("Audit", "audit")):
        await tab.page.get_by_role("button", name=name).click()
        await expect(tab.get(testid)).to_contain_text(re.compile(r"\w"))
        widths.append(await tab.width_beyond())

    assert widths == [0] * 6
