"""PUT /api/super-lover/bio"""

import pytest

from tests.super_lover.conftest import put, refusal


async def test_a_bio_is_trimmed_stored_and_shown(make_person):
    ann, bob = await make_person(super_lover=True), await make_person("Bob")

    response = await put(ann, "/api/super-lover/bio", {"bio": "  Updated Super Lover bio "})

    answer = await response.json()
    assert answer == {
        "success": True,
        "data": {"bio": "Updated Super Lover bio"},
        "message": "Bio updated successfully",
    }
    shown = (await bob.data(f"/api/users/{ann.id}"))["user"]
    assert (shown["superLoverBio"], shown["bio"]) == ("Updated Super Lover bio", None)


async def test_only_super_lovers_have_one(make_person):
    ann = await make_person()

    assert await refusal(await put(ann, "/api/super-lover/bio", {"bio": "Hello"})) == (403, "NOT_SUPER_LOVER")


@pytest.mark.parametrize(
    "body",
    [{}, {"bio": " "}, {"bio": None}, {"bio": 7}, {"bio": "x" * 1001}, {"bio": "Hi", "isVerified": True}],
    ids=str,
)
async def test_other_bodies_are_refused(make_person, body):
    ann = await make_person(super_lover=True)

    assert await refusal(await put(ann, "/api/super-lover/bio", body)) == (400, "VALIDATION_ERROR")
