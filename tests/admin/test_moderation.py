"""/api/admin: sessions of their own, decisions made once, and a trail of everything"""

import asyncio
from uuid import uuid4

import jwt
import pytest

from romantic.settings import SETTINGS
from romantic.signals import GONE
from tests.admin.desk import Desk, report, step_up


async def test_an_ordinary_person_gets_no_admin_session(make_person, outside):
    status, answer = await step_up(await make_person("Ann"), outside)

    assert (status, answer["error"]["code"]) == (403, "STAFF_ONLY")


async def test_the_app_token_of_an_admin_opens_nothing_here(make_staff):
    desk = await make_staff("admin")

    response = await desk.person.get("/api/admin/reports")

    assert (response.status, (await response.json())["error"]["code"]) == (403, "STAFF_ONLY")


async def test_the_admin_token_opens_nothing_in_the_app(make_staff):
    desk = await make_staff("admin")

    status, _ = await desk.get("/api/auth/profile")

    assert status == 401


async def test_a_demoted_moderators_token_is_dead(make_staff, sql):
    desk = await make_staff()
    sql("UPDATE users SET role = 'user' WHERE id = %s", desk.person.id)

    status, _ = await desk.get("/api/admin/reports")

    assert status == 401


async def test_an_admin_session_ends_with_its_logout(make_staff):
    desk = await make_staff()

    await desk.send("POST", "/api/admin/auth/logout")

    assert (await desk.get("/api/admin/reports"))[0] == 401


@pytest.mark.parametrize("change", [{"aud": "app"}, {"iss": "x"}, {"exp": 1}, {"sid": "x"}])
async def test_a_forged_admin_token_is_refused(make_staff, client, change):
    desk = await make_staff("admin")
    token = desk.auth["Authorization"].removeprefix("Bearer ")
    kid, key = next(iter(client.app[SETTINGS].jwt_keys.items()))
    claims = jwt.decode(token, options={"verify_signature": False}) | change
    forged = jwt.encode(claims, key, headers={"kid": kid, "typ": "admin+jwt"})

    response = await client.get("/api/admin/reports", headers={"Authorization": f"Bearer {forged}"})

    assert response.status == 401


async def test_reports_are_read_oldest_first_and_by_status(make_staff, make_person):
    desk, ann, ben, cleo = await make_staff(), *[await make_person(name) for name in ("Ann", "Ben", "Cleo")]
    await report(ann, ben)
    await report(ann, cleo)

    status, answer = await desk.get("/api/admin/reports", status="pending", limit="1")

    assert status == 200
    assert [row["reportedUserId"] for row in answer["data"]["reports"]] == [ben.id]
    assert answer["data"]["pagination"] == {"page": 1, "limit": 1, "total": 2, "hasNext": True}
    assert answer["data"]["reports"][0]["snapshot"]["profile"]["fullName"] == "Ben"


async def test_two_moderators_cannot_both_decide(make_staff, make_person, sql):
    desks = [await make_staff() for _ in range(2)]
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await report(ann, ben)
    [(report_id,)] = sql("SELECT id FROM reports")
    bodies = ({"status": "resolved", "action": "warn"}, {"status": "dismissed"})

    answers = await asyncio.gather(
        *(
            desk.send("PUT", f"/api/admin/reports/{report_id}", body)
            for desk, body in zip(desks, bodies, strict=True)
        )
    )

    assert sorted(status for status, _ in answers) == [200, 409]
    assert sql("SELECT count(*) FROM admin_audit WHERE action = 'report.decide'") == [(1,)]


async def test_a_report_that_changed_since_it_was_read_is_not_decided(make_staff, make_person, sql):
    desk, ann, ben = await make_staff(), await make_person("Ann"), await make_person("Ben")
    await report(ann, ben)
    [(report_id,)] = sql("SELECT id FROM reports")
    await desk.send("PUT", f"/api/admin/reports/{report_id}", {"status": "investigating", "version": 1})

    status, answer = await desk.send(
        "PUT", f"/api/admin/reports/{report_id}", {"status": "resolved", "version": 1}
    )

    assert (status, answer["error"]["code"], answer["error"]["meta"]["version"]) == (409, "REPORT_DECIDED", 2)


async def test_a_ban_closes_sessions_sockets_and_calls(make_staff, make_person, connect, outside, sql):
    desk, ann = await make_staff(), await make_person("Ann")
    bad, caller = await make_person("Bad", super_lover=True), await make_person("Caller", coins=100)
    await report(ann, bad)
    [(report_id,)] = sql("SELECT id FROM reports")
    phones = await connect(bad), await connect(caller)
    call = (
        await (await caller.post("/api/calls/initiate", {"receiverId": bad.id, "callType": "audio"})).json()
    )["data"]
    await phones[0].ask("call-accept", callId=call["callId"])

    body = {"status": "resolved", "action": "ban", "adminNotes": "Out"}
    status, _ = await desk.send("PUT", f"/api/admin/reports/{report_id}", body)

    assert status == 200
    assert await phones[0].closed() == 4403
    assert (await bad.get("/api/auth/profile")).status == 401
    await phones[1].expect("call-ended")
    assert await caller.balance() == 100
    assert (await caller.get(f"/api/users/{bad.id}")).status == 404
    await bad.client.post("/api/auth/send-otp", json={"phoneNumber": bad.phone_number})
    proof = {"phoneNumber": bad.phone_number, "otpCode": outside.code_for(bad.phone_number)}
    again = await bad.client.post("/api/auth/verify-otp", json=proof)
    assert (again.status, (await again.json())["error"]["code"]) == (403, "ACCOUNT_BLOCKED")


@pytest.mark.parametrize(("verb", "body", "status_after"), [
    ("suspend", {"reason": "cool down", "days": 3}, "suspended"),
    ("ban", {"reason": "fraud"}, "banned"),
])  # fmt: skip
async def test_suspension_and_ban_can_be_lifted(make_staff, make_person, sql, verb, body, status_after):
    desk, ann = await make_staff(), await make_person("Ann")
    path = f"/api/admin/users/{ann.id}"

    first = await desk.send("POST", f"{path}/{verb}", body)
    twice = await desk.send("POST", f"{path}/{verb}", body)
    state = sql("SELECT status FROM users WHERE id = %s", ann.id)
    lifted = await desk.send("POST", f"{path}/unban", {"reason": "appeal"})

    assert (first[0], twice[0], lifted[0]) == (200, 409, 200)
    assert state == [(status_after,)]
    assert sql("SELECT status FROM users WHERE id = %s", ann.id) == [("active",)]


async def test_staff_cannot_be_moderated(make_staff):
    desk, other = await make_staff(), await make_staff("admin")

    status, answer = await desk.send("POST", f"/api/admin/users/{other.person.id}/ban", {"reason": "coup"})

    assert (status, answer["error"]["code"]) == (409, "INVALID_USER_STATE")


async def test_coins_are_adjusted_by_admins_only_and_once_per_reference(make_staff, make_person, sql):
    moderator, admin, ann = await make_staff(), await make_staff("admin"), await make_person("Ann")
    body = {
        "userId": ann.id,
        "amount": 30,
        "reason": "goodwill",
        "note": "Sorry!",
        "referenceId": str(uuid4()),
    }

    refused = await moderator.send("POST", "/api/admin/coins/adjust", body)
    first = await admin.send("POST", "/api/admin/coins/adjust", body)
    again = await admin.send("POST", "/api/admin/coins/adjust", body)

    assert (refused[0], refused[1]["error"]["code"]) == (403, "ADMIN_ONLY")
    assert first[1]["data"] == again[1]["data"]
    assert await ann.balance() == 80
    assert sql("SELECT reason FROM admin_audit WHERE action = 'coins.adjust'") == [("goodwill: Sorry!",)]


async def test_an_adjustment_never_overdraws(make_staff, make_person):
    admin, ann = await make_staff("admin"), await make_person("Ann")
    body = {
        "userId": ann.id,
        "amount": -51,
        "reason": "fraud",
        "note": "Take back",
        "referenceId": str(uuid4()),
    }

    status, answer = await admin.send("POST", "/api/admin/coins/adjust", body)

    assert (status, answer["error"]["meta"]) == (402, {"required": 51, "balance": 50})
    assert await ann.balance() == 50


async def test_every_write_leaves_who_what_before_and_after(make_staff, make_person):
    desk, ann = await make_staff(), await make_person("Ann")
    await desk.send("POST", f"/api/admin/users/{ann.id}/suspend", {"reason": "cool down"})

    _, answer = await desk.get("/api/admin/audit-log", targetId=ann.id)

    [entry] = answer["data"]["entries"]
    assert entry["actorId"] == desk.person.id
    assert (entry["action"], entry["reason"]) == ("user.suspended", "cool down")
    assert (entry["before"]["status"], entry["after"]["status"]) == ("active", "suspended")
    assert entry["requestId"].startswith("req_")


def test_the_trail_cannot_be_edited(sql):
    with pytest.raises(Exception, match="immutable"):
        sql("INSERT INTO users (phone_number, phone_hash, full_name, age, gender) VALUES ('+1', '', 'X', 20, 'other');"
            "INSERT INTO admin_audit (action, target_type, target_id) SELECT 'x', 'user', id FROM users;"
            "UPDATE admin_audit SET action = 'y'")  # fmt: skip


async def test_statistics_count_what_is_there(make_staff, make_person):
    desk = await make_staff()
    await make_person("Ann", super_lover=True)

    _, answer = await desk.get("/api/admin/statistics")

    assert (answer["data"]["totalUsers"], answer["data"]["totalSuperLovers"]) == (2, 1)


async def test_live_calls_and_the_ledger_can_be_looked_at(make_staff, make_person):
    desk, ann, ben = await make_staff("admin"), await make_person("Ann"), await make_person("Ben")
    await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})

    _, calls = await desk.get("/api/admin/calls/live")
    _, proof = await desk.get("/api/admin/ledger/audit")

    assert [call["callerId"] for call in calls["data"]["calls"]] == [ben.id]
    assert proof["data"]["holds"] is True


async def test_people_are_found_by_phone_and_status(make_staff, make_person, sql):
    desk, ann = await make_staff(), await make_person("Ann")
    sql("UPDATE users SET status = 'banned' WHERE id = %s", ann.id)

    _, by_phone = await desk.get("/api/admin/users", phoneNumber=ann.phone_number)
    _, by_status = await desk.get("/api/admin/users", status="banned")

    assert [row["id"] for row in by_phone["data"]["users"]] == [ann.id]
    assert [row["id"] for row in by_status["data"]["users"]] == [ann.id]
    assert ann.phone_number not in str(by_status)


async def test_a_call_is_explained_coin_by_coin(make_staff, make_person):
    desk, ann, ben = await make_staff(), await make_person("Ann", super_lover=True), await make_person("Ben")
    body = {"receiverId": ann.id, "callType": "audio"}
    call = (await (await ben.post("/api/calls/initiate", body)).json())["data"]
    await ann.post(f"/api/calls/{call['callId']}/accept")
    await ann.post(f"/api/calls/{call['callId']}/end", {"duration": 999})

    status, answer = await desk.get(f"/api/admin/calls/{call['callId']}")

    data = answer["data"]
    assert status == 200
    assert [row["event"] for row in data["timeline"]] == ["initiated", "answered", "ended"]
    assert [(row["userId"], row["signedAmount"]) for row in data["entries"]] == [(ben.id, -50), (ann.id, 25)]
    assert (
        data["call"]["clientDurationSeconds"],
        data["call"]["coinsSpent"],
        data["call"]["coinsEarned"],
    ) == (999, 50, 25)


async def test_a_ban_ends_the_sessions_though_another_consequence_fails_at_first(
    client, make_person, outside, sql
):
    failures = []

    async def fail(app, user_id, reason):
        failures.append(reason)
        assert len(failures) > 2, "the database is away"

    client.app[GONE].insert(0, fail)
    boss, ann = await make_person("Boss"), await make_person("Ann")
    sql("UPDATE users SET role = 'moderator' WHERE id = %s", boss.id)
    _, answer = await step_up(boss, outside)

    status, _ = await Desk(boss, answer["data"]["accessToken"]).send(
        "POST", f"/api/admin/users/{ann.id}/ban", {"reason": "fraud"}
    )

    assert (status, failures) == (200, ["banned"] * 3)
    assert sql("SELECT count(*) FROM user_sessions WHERE user_id = %s AND revoked_at IS NULL", ann.id) == [
        (0,)
    ]
