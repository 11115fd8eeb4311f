"""GET /demo, GET /demo/check and the people they let one be or call."""

from aiohttp import web

from romantic.db import connection, load_queries
from romantic.http import ok
from romantic.settings import SETTINGS
from romantic.web import page

sql = load_queries("dev")


async def show(_: web.Request) -> web.Response:
    return page("demo.html", camera=True)


async def show_check(_: web.Request) -> web.Response:
    return page("check.html", camera=True)


async def list_people(request: web.Request) -> web.Response:
    """Everybody here; whoever has a test number comes with its fixed code and the name for `?as=`."""
    numbers = request.app[SETTINGS].test_numbers
    async with connection(request.app) as conn:
        rows = await conn.all(sql.list_people)
    people = [
        {
            "id": row["id"],
            "fullName": row["full_name"],
            "as": row["full_name"].split()[0].lower() if row["phone_number"] in numbers else None,
            "phoneNumber": row["phone_number"],
            "code": numbers[row["phone_number"]][0] if row["phone_number"] in numbers else None,
            "coins": row["coins_balance"],
            "isSuperLover": row["is_super_lover"],
            "isOnline": row["is_online"],
        }
        for row in rows
    ]
    return ok({"people": people}, "Who is here")


def add_demo(app: web.Application) -> None:
    app.router.add_get("/demo", show)
    app.router.add_get("/demo/check", show_check)
    app.router.add_get("/dev/people.json", list_people)
