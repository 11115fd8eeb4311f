"""Coins for watching ads: who may be paid, how often, and for which callback of the provider."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from romantic.coins import service
from romantic.db import Connection, Row, load_queries
from romantic.settings import Settings

sql = load_queries("ads")


@dataclass(frozen=True, slots=True)
class Callback:
    """A proven callback: the provider's transaction, and the nonce our phone gave to the ad."""

    transaction_id: str
    nonce: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Reward:
    """What an ad came to; `wait` is how many seconds too early it was."""

    outcome: str
    coins: int = 0
    wait: float | None = None
    entries: list[Row] = field(default_factory=list)


def read_callback(pairs: list[tuple[str, str]]) -> Callback | None:
    """None for a callback that is not about a session of ours. A parameter given twice proves nothing."""
    values = dict(pairs)
    transaction_id, nonce = values.get("transaction_id", ""), values.get("custom_data", "")
    is_ours = len(values) == len(pairs) and 0 < len(transaction_id) <= 128 and 0 < len(nonce) <= 64
    if not is_ours or not (transaction_id + nonce).isprintable():
        return None
    return Callback(transaction_id, nonce, values.get("user_id") or None)


async def add_session(conn: Connection, *, user_id: UUID) -> tuple[str, datetime]:
    """A nonce for the ad's custom data, and until when it counts."""
    nonce = secrets.token_urlsafe(24)
    return nonce, await conn.value(sql.add_session, nonce=nonce, user_id=user_id)


async def find_session(conn: Connection, *, user_id: UUID, nonce: str | None) -> Row | None:
    """The user's own session of this nonce, or their newest; None if there is none of the last hour."""
    return await conn.one(sql.find_session, user_id=user_id, nonce=nonce)


async def take_callback(conn: Connection, callback: Callback, settings: Settings) -> Reward:
    """Pay the session of the callback, once per session and per transaction. Needs a transaction."""
    owner = await conn.value(sql.find_owner, nonce=callback.nonce)
    if owner is None or callback.user_id not in (None, str(owner)):
        return Reward("no_session")
    if not await conn.value(sql.lock_viewer, user_id=owner):
        return Reward("no_viewer")
    if not await conn.value(sql.claim_session, nonce=callback.nonce, transaction_id=callback.transaction_id):
        return Reward("duplicate")
    reward = await _pay(
        conn, settings, user_id=owner, ad_provider="admob", key=f"ad:{callback.transaction_id}"
    )
    await conn.run(sql.set_session_coins, nonce=callback.nonce, coins=reward.coins)
    return reward


async def believe(conn: Connection, settings: Settings, *, user_id: UUID, ad_provider: str) -> Reward:
    """Pay because the phone says so: development only. Needs a transaction."""
    await conn.run(sql.lock_viewer, user_id=user_id)
    key = f"ad:client:{secrets.token_hex(16)}"
    return await _pay(conn, settings, user_id=user_id, ad_provider=ad_provider, key=key)


async def note_view(conn: Connection, *, user_id: UUID, ad_type: str, ad_provider: str) -> None:
    """An ad of a kind that pays nothing was shown."""
    await conn.run(sql.add_view, user_id=user_id, ad_type=ad_type, coins=0, ad_provider=ad_provider)


async def _pay(conn: Connection, settings: Settings, *, user_id: UUID, ad_provider: str, key: str) -> Reward:
    """The user is locked: gap and cap hold for ads that come at the same moment."""
    wait = await conn.value(
        sql.find_wait, user_id=user_id, gap=settings.ad_min_gap, cap=settings.ad_daily_cap
    )
    coins = settings.ad_reward if wait is None or wait <= 0 else 0
    view_id = await conn.value(
        sql.add_view, user_id=user_id, ad_type="rewarded", coins=coins, ad_provider=ad_provider
    )
    if not coins:
        return Reward("too_soon", wait=wait)
    entry = await service.add_entry(
        conn,
        user_id=user_id,
        entry_type="earn",
        amount=coins,
        key=key,
        description="Watched ad",
        reference_type="ad_watch",
        reference_id=view_id,
    )
    return Reward("paid", coins, entries=[entry])
