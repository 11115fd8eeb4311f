"""/api/coins"""

from uuid import UUID

from aiohttp import web

from romantic.coins import service
from romantic.coins.news import tell_entry
from romantic.coins.schemas import Cursor, EntriesQuery, SpendBody, entry_view
from romantic.db import connection
from romantic.http import PRINCIPAL, get, ok, page_of, person_or_robot, post, signed_in
from romantic.http.limits import MONEY
from romantic.settings import SETTINGS


async def get_balance(request: web.Request) -> web.Response:
    async with connection(request.app) as conn:
        row = await service.get_balance(conn, user_id=request[PRINCIPAL].id)
    data = {
        "balance": row["coins_balance"],
        "totalEarned": row["coins_earned"],
        "totalSpent": row["coins_spent"],
    }
    return ok(data, "Balance retrieved successfully")


async def list_entries(
    request: web.Request,
    *,
    transaction_type: str | None,
    cursor: int | None,
    page: int,
    page_size: int,
    page_offset: int,
) -> web.Response:
    async with connection(request.app) as conn:
        rows, total = await service.list_entries(
            conn,
            user_id=request[PRINCIPAL].id,
            transaction_type=transaction_type,
            before=cursor,
            page_size=page_size,
            page_offset=0 if cursor else page_offset,
        )
    data = {
        "transactions": [entry_view(row) for row in rows],
        "pagination": page_of(page=page, page_size=page_size, total=total),
        "nextCursor": Cursor.of(rows[-1]["seq"]) if len(rows) == page_size else None,
    }
    return ok(data, "Transactions retrieved successfully")


async def spend(request: web.Request, *, amount: int, action: str, reference_id: UUID) -> web.Response:
    """A reference is charged once, with or without an Idempotency-Key."""
    app, user_id = request.app, request[PRINCIPAL].id
    async with connection(app) as conn:
        entry = await service.spend(
            conn,
            user_id=user_id,
            action=action,
            amount=amount,
            reference_id=reference_id,
            prices={"boost": app[SETTINGS].boost_cost, "gift": app[SETTINGS].gift_cost},
        )
        balance = entry["balance_after"]
        if not entry["is_new"]:  # charged earlier: much may have happened since
            balance = (await service.get_balance(conn, user_id=user_id))["coins_balance"]
    tell_entry(app, entry)
    data = {"coinsSpent": entry["amount"], "newBalance": balance}
    return ok(data, "Coins spent successfully")


ROUTES = (
    get("/api/coins/balance", get_balance, person_or_robot),
    get("/api/coins/transactions", list_entries, person_or_robot, query=EntriesQuery),
    post("/api/coins/spend", spend, signed_in, body=SpendBody, limit=MONEY),
)
