"""GET /api/super-lover/can-become and GET /api/super-lover/requirements"""

import pytest


async def test_requirements_name_the_price_in_force(make_client, make_person):
    ann = await make_person(at=await make_client(super_lover_fee=777))

    assert await ann.data("/api/super-lover/requirements") == {
        "coinsRequired": 777,
        "verificationRequired": True,
        "minimumAge": 18,
        "description": "Become a Super Lover to receive calls and earn coins!",
    }


async def test_whoever_meets_them_can_become_one(make_person):
    ann = await make_person(coins=1000)

    assert await ann.data("/api/super-lover/can-become") == {
        "canBecome": True,
        "isSuperLover": False,
        "requirements": {
            "isVerified": True,
            "minimumAge": 18,
            "userAge": 25,
            "coinsRequired": 1000,
            "userCoins": 1000,
        },
    }


@pytest.mark.parametrize(
    ("coins", "change"),
    [
        (999, "UPDATE users SET bio = 'Hi' WHERE id = %s"),
        (1000, "UPDATE users SET is_verified = FALSE WHERE id = %s"),
        (1000, "UPDATE users SET is_super_lover = TRUE WHERE id = %s"),
    ],
    ids=["too few coins", "not verified", "is one already"],
)
async def test_whoever_misses_one_cannot(make_person, sql, coins, change):
    ann = await make_person(coins=coins)
    sql(change, ann.id)

    can = await ann.data("/api/super-lover/can-become")

    assert can["canBecome"] is False


async def test_the_answer_and_the_deed_agree(make_person):
    ann = await make_person(coins=1000)
    before = await ann.data("/api/super-lover/can-become")

    became = await ann.post("/api/super-lover/become", {"superLoverBio": "Hello"})
    after = await ann.data("/api/super-lover/can-become")

    assert (before["canBecome"], became.status, after["canBecome"]) == (True, 200, False)
