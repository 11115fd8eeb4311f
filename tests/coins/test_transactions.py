"""GET /api/coins/transactions"""

import base64

import pytest

URL = "/api/coins/transactions"


async def page(person, **query):
    response = await person.get(URL, params=query)
    answer = await response.json()
    assert response.status == 200, answer
    return answer["data"]


@pytest.fixture
async def spender(make_person, sql):
    """Fifty welcome coins and twenty entries of one."""
    person = await make_person()
    for n in range(20):
        sql("SELECT add_entry(%s, 'spend', 1, %s, 'Entry', NULL, NULL)", person.id, f"{person.id}:{n}")
    return person


async def test_newest_comes_first_with_the_balance_after_it(spender):
    data = await page(spender, limit="3")

    assert [entry["balanceAfter"] for entry in data["transactions"]] == [30, 31, 32]
    assert data["pagination"] == {"page": 1, "limit": 3, "total": 21, "hasNext": True}


async def test_cursor_walks_through_everything_once_although_entries_are_added(spender, sql):
    seen, cursor = [], None
    for n in range(5):
        data = await page(spender, limit="5", **({"cursor": cursor} if cursor else {}))
        seen += [entry["id"] for entry in data["transactions"]]
        cursor = data["nextCursor"]
        sql("SELECT add_entry(%s, 'spend', 1, %s, 'Late', NULL, NULL)", spender.id, f"{spender.id}:late{n}")

    assert (len(seen), len(set(seen)), cursor) == (21, 21, None)


async def test_type_selects(spender):
    data = await page(spender, type="earn")

    assert [entry["amount"] for entry in data["transactions"]] == [50]
    assert data["pagination"]["total"] == 1


async def test_page_beyond_the_end_is_empty_and_knows_the_total(spender):
    data = await page(spender, page="1000000", limit="100")

    assert (data["transactions"], data["pagination"]["total"]) == ([], 21)


async def test_nobody_sees_the_entries_of_others(spender, make_person):
    other = await make_person()

    data = await page(other)

    assert data["pagination"]["total"] == 1


def cursor_of(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=1_0", "page=+1", "page=1.0", "page=٣", "page=1e3", "page=0x1", "page=",
        "page=1000001", f"page={'9' * 400}", f"page={'9' * 5000}", "limit=0", "limit=101",
        "limit=-5", "limit=ten",
        "page=1&page=2", "limit=5&limit=5", "type=gift", "type=%00", "type=%ff", "type[]=earn", "sort=id",
        "cursor=x", "cursor=", f"cursor={cursor_of('-1')}", f"cursor={cursor_of('0')}",
        f"cursor={cursor_of('9' * 30)}", f"cursor={cursor_of(str(2**63))}", "cursor=%00", "cursor=é",
    ],
)  # fmt: skip
async def test_query_out_of_bounds_is_refused(make_person, query):
    person = await make_person()

    response = await person.get(f"{URL}?{query}")

    assert response.status == 400
    assert (await response.json())["error"]["code"] == "VALIDATION_ERROR"
