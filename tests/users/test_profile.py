"""PUT /api/users/profile, GET /api/users/{id}, DELETE /api/auth/account, GET /api/auth/export"""

import pytest


async def put(person, body):
    return await person.client.put("/api/users/profile", json=body, headers=person.auth)


async def test_only_what_is_given_changes(make_person):
    ann = await make_person("Ann")

    response = await put(ann, {"bio": "Updated bio", "location": "Los Angeles, CA"})

    user = (await response.json())["data"]["user"]
    assert response.status == 200
    assert (user["fullName"], user["bio"], user["location"], user["age"]) == (
        "Ann",
        "Updated bio",
        "Los Angeles, CA",
        25,
    )
    assert (await ann.data("/api/auth/profile"))["bio"] == "Updated bio"


async def test_bio_and_location_can_be_emptied(make_person):
    ann = await make_person("Ann")
    await put(ann, {"bio": "Something", "location": "Somewhere"})

    await put(ann, {"bio": None, "location": None})

    profile = await ann.data("/api/auth/profile")
    assert (profile["bio"], profile["location"]) == (None, None)


@pytest.mark.parametrize(
    "body",
    [
        {"coins": 1_000_000},
        {"coinsBalance": 1_000_000},
        {"id": "00000000-0000-4000-8000-000000000000"},
        {"phoneNumber": "+15550001111"},
        {"isVerified": True},
        {"isSuperLover": True},
        {"role": "admin"},
        {"status": "active"},
        {"createdAt": "2020-01-01T00:00:00Z"},
        {"age": 17},
        {"age": "25"},
        {"fullName": "   "},
        {"fullName": "x" * 101},
        {"gender": "none"},
        {"bio": "x" * 1001},
    ],
)
async def test_nothing_else_can_be_written(make_person, sql, body):
    ann = await make_person("Ann")
    before = sql("SELECT * FROM users WHERE id = %s", ann.id)

    response = await put(ann, body)

    assert response.status == 400
    assert (await response.json())["error"]["fields"]
    assert sql("SELECT * FROM users WHERE id = %s", ann.id) == before


async def test_a_visit_counts_once_a_day(make_person, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")

    for _ in range(3):
        assert (await ann.get(f"/api/users/{ben.id}")).status == 200

    assert sql("SELECT viewer_id::text, viewed_id::text FROM profile_views") == [(ann.id, ben.id)]


@pytest.mark.parametrize(("visibility", "matched", "status"), [
    ("public", False, 200),
    ("matches", False, 404),
    ("matches", True, 200),
    ("hidden", True, 404),
])  # fmt: skip
async def test_visibility_decides_who_may_open_a_profile(make_person, sql, visibility, matched, status):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    if matched:
        for one, other in ((ann, ben), (ben, ann)):
            await one.post("/api/users/like", {"targetUserId": other.id})
    sql("UPDATE user_preferences SET privacy_profile_visibility = %s WHERE user_id = %s", visibility, ben.id)

    response = await ann.get(f"/api/users/{ben.id}")

    assert response.status == status


async def leave(person, outside):
    await person.client.post("/api/auth/send-otp", json={"phoneNumber": person.phone_number})
    body = {"otpCode": outside.code_for(person.phone_number)}
    return await person.client.delete("/api/auth/account", json=body, headers=person.auth)


async def test_a_deleted_account_is_gone_and_its_records_stay(make_person, connect, outside, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben", coins=100)
    phone = await connect(ann)
    await ben.post("/api/users/like", {"targetUserId": ann.id})
    await ben.post("/api/users/report", {"targetUserId": ann.id, "reason": "Spam"})

    left = await leave(ann, outside)

    assert left.status == 200
    assert await phone.closed() == 4410
    assert (await ann.get("/api/auth/profile")).status == 401
    assert (await ben.get(f"/api/users/{ann.id}")).status == 404
    assert (await ben.data("/api/users/discover"))["profiles"] == []
    assert sql("SELECT phone_number, full_name, status FROM users WHERE id = %s", ann.id) == [
        (None, "Deleted user", "deleted")
    ]
    assert sql("SELECT count(*) FROM coin_transactions WHERE user_id = %s", ann.id) == [(1,)]
    assert sql("SELECT count(*) FROM reports WHERE reported_user_id = %s", ann.id) == [(1,)]


async def test_leaving_needs_a_fresh_code(make_person):
    ann = await make_person("Ann")

    response = await ann.client.delete("/api/auth/account", json={"otpCode": "000000"}, headers=ann.auth)

    assert response.status == 400
    assert (await ann.get("/api/auth/profile")).status == 200


async def test_a_phone_number_is_free_again_without_a_second_welcome(make_person, client, outside, sql):
    ann = await make_person("Ann")
    await leave(ann, outside)
    await client.post("/api/auth/send-otp", json={"phoneNumber": ann.phone_number})
    proof = {"phoneNumber": ann.phone_number, "otpCode": outside.code_for(ann.phone_number)}
    verified = (await (await client.post("/api/auth/verify-otp", json=proof)).json())["data"]
    body = {"phoneNumber": ann.phone_number, "fullName": "Ann Again", "age": 30, "gender": "female"}

    response = await client.post(
        "/api/auth/register", json=body, headers={"Authorization": f"Bearer {verified['accessToken']}"}
    )

    answer = await response.json()
    assert verified["isNewUser"] is True
    assert answer["data"]["user"]["coins"] == 0


async def test_leaving_in_a_call_settles_it(make_person, connect, outside):
    ann, ben = await make_person("Ann"), await make_person("Ben", coins=100)
    phone = await connect(ben)
    await ben.post("/api/calls/initiate", {"receiverId": ann.id, "callType": "audio"})

    await leave(ann, outside)

    await phone.expect("call-missed")
    assert await ben.balance() == 100


async def test_the_export_holds_everything_about_the_person_and_no_one_else(make_person, outside, sql):
    ann, ben = await make_person("Ann"), await make_person("Ben")
    await ann.post("/api/users/like", {"targetUserId": ben.id})
    sql(
        "INSERT INTO messages (sender_id, receiver_id, message_text) VALUES (%s, %s, 'Hello!')",
        ann.id,
        ben.id,
    )

    data = await ann.data("/api/auth/export")

    assert data["profile"]["phone_number"] == ann.phone_number
    assert [entry["transaction_type"] for entry in data["transactions"]] == ["earn"]
    assert data["interactions"][0]["target_user_id"] == ben.id
    assert data["messages"][0]["message_text"] == "Hello!"
    assert ben.phone_number not in str(data)
    assert "hash" not in str(data)
