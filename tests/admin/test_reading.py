"""/api/admin: what a decision needs to know, what a page shows, and who reads what people wrote"""

import pytest

from romantic.realtime import HUB
from tests.admin.desk import report


async def test_a_report_comes_with_both_people_and_what_was_decided_before(make_staff, make_person, sql):
    desk, ann, ben, cleo = await make_staff(), *[await make_person(name) for name in ("Ann", "Ben", "Cleo")]
    await report(ann, ben)
    await report(cleo, ben)
    await report(ann, cleo)
    [(first,), (second,), _] = sql("SELECT id FROM reports ORDER BY created_at")
    await desk.send("PUT", f"/api/admin/reports/{first}", {"status": "resolved", "action": "warn"})

    status, answer = await desk.get(f"/api/admin/reports/{second}")

    data = answer["data"]
    assert status == 200
    assert (data["report"]["reportedName"], data["report"]["reporterName"]) == ("Ben", "Cleo")
    assert [one["id"] for one in data["earlier"]] == [str(first)]
    history = {
        name: data["reported"][name] for name in ("reportsAbout", "reportsOpen", "warnings", "exclusions")
    }
    assert history == {"reportsAbout": 2, "reportsOpen": 1, "warnings": 1, "exclusions": 0}
    assert (data["reporter"]["reportsMade"], data["reporter"]["reportsAbout"]) == (1, 1)
    assert data["reported"]["phone"] == f"+***{ben.phone_number[-2:]}"
    assert ben.phone_number not in str(answer)


async def test_what_two_people_wrote_is_read_on_its_own_and_leaves_a_trail(make_staff, make_person, sql):
    desk, ann, ben = await make_staff(), await make_person("Ann"), await make_person("Ben")
    await ben.post("/api/messages/send", {"receiverId": ann.id, "messageText": "Give me your money"})
    await report(ann, ben)
    [(report_id,)] = sql("SELECT id FROM reports")

    _, queue = await desk.get("/api/admin/reports")
    _, shown = await desk.get(f"/api/admin/reports/{report_id}")
    unread = sql("SELECT count(*) FROM admin_audit")
    status, answer = await desk.get(f"/api/admin/reports/{report_id}/messages")

    assert "money" not in str(queue) + str(shown)
    assert (queue["data"]["reports"][0]["messageCount"], unread) == (1, [(0,)])
    assert status == 200
    assert [(one["senderId"], one["messageText"]) for one in answer["data"]["messages"]] == [
        (ben.id, "Give me your money")
    ]
    assert sql("SELECT actor_id::text, action FROM admin_audit") == [(desk.person.id, "report.read_messages")]


@pytest.mark.parametrize("path", ["reports/{}", "reports/{}/messages", "users/{}"])
async def test_what_does_not_exist_is_not_found(make_staff, path):
    desk = await make_staff()

    status, _ = await desk.get("/api/admin/" + path.format("00000000-0000-4000-8000-000000000000"))

    assert status == 404


async def test_a_suspension_may_have_any_length_and_a_warning_reaches_the_phone(
    make_staff, make_person, connect, sql
):
    desk, ann, ben, cleo = await make_staff(), *[await make_person(name) for name in ("Ann", "Ben", "Cleo")]
    await report(ann, ben)
    await report(ann, cleo)
    [(about_ben,), (about_cleo,)] = sql("SELECT id FROM reports ORDER BY created_at")
    phone = await connect(cleo)

    body = {"status": "resolved", "action": "suspend", "days": 40}
    suspended, _ = await desk.send("PUT", f"/api/admin/reports/{about_ben}", body)
    warned, _ = await desk.send(
        "PUT", f"/api/admin/reports/{about_cleo}", {"status": "resolved", "action": "warn"}
    )

    assert (suspended, warned) == (200, 200)
    [(days,)] = sql("SELECT extract(day FROM suspended_until - now())::int FROM users WHERE id = %s", ben.id)
    assert days == 39
    assert (await phone.expect("notice"))["type"] == "warning"


async def test_people_are_found_by_how_their_name_begins(make_staff, make_person):
    desk, ann = await make_staff(), await make_person("Ann Lee")
    await make_person("Hannah")

    _, found = await desk.get("/api/admin/users", name="ann")
    _, shown = await desk.get(f"/api/admin/users/{ann.id}")

    assert [row["fullName"] for row in found["data"]["users"]] == ["Ann Lee"]
    assert (shown["data"]["user"]["fullName"], shown["data"]["user"]["coins"]) == ("Ann Lee", 50)


async def test_days_are_counted_without_gaps_and_at_most_once_a_minute(make_staff, make_person, sql):
    desk, ann = await make_staff(), await make_person("Ann")
    ben = await make_person("Ben")
    sql("UPDATE users SET created_at = now() - interval '2 days' WHERE id = %s", ann.id)
    await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})
    await ben.post(f"/api/calls/{sql('SELECT id FROM calls')[0][0]}/end", {"duration": 0})

    _, answer = await desk.get("/api/admin/statistics/days", days="3")
    await make_person("Cleo")
    _, again = await desk.get("/api/admin/statistics/days", days="3")
    _, longer = await desk.get("/api/admin/statistics/days", days="4")

    days = answer["data"]["days"]
    assert [day["newUsers"] for day in days] == [1, 0, 2]
    assert (days[2]["unanswered"], days[2]["coinsSpent"], days[2]["mos"]) == (1, 0, None)
    assert again["data"] == answer["data"]
    assert [day["newUsers"] for day in longer["data"]["days"]] == [0, 1, 0, 3]
    assert (await desk.get("/api/admin/statistics/days", days="91"))[0] == 400


async def test_an_adjustment_is_told_once_to_the_phone(make_staff, make_person, connect, client):
    admin, ann = await make_staff("admin"), await make_person("Ann")
    phone = await connect(ann)
    body = {
        "userId": ann.id, "amount": 30, "reason": "goodwill", "note": "Sorry!", "referenceId": ann.id,
    }  # fmt: skip

    for _ in range(2):
        await admin.send("POST", "/api/admin/coins/adjust", body)

    assert (await phone.expect("balance"))["balance"] == 80
    await phone.hears_nothing_of("balance")
    assert client.app[HUB].count == 1


async def test_the_page_is_served_without_development_and_nothing_else_of_its_folder_is(client):
    page = await client.get("/admin")
    files = {
        name: (await client.get(f"/admin/{name}")).status for name in ("admin.js", "pages.css", "icon.svg")
    }
    others = {
        name: (await client.get(f"/admin/{name}")).status
        for name in ("demo.js", "demo.html", "..%2Fsettings.py", "admin.html", "nothing")
    }

    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert set(files.values()) == {200}
    assert set(others.values()) == {404}
