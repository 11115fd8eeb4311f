"""What must hold of all coins at any moment, asked of the database, and nothing that is not so may be found."""

from collections.abc import Callable
from typing import Any

from romantic.coins import service

Sql = Callable[..., list[tuple[Any, ...]]]

#: Each finds what must not be; the first two are what `run.py admin ledger check` asks.
FAULTS = {
    "a balance is the sum of its entries, and each entry continues the one before": (
        service.sql.list_drifting_users.statement
    ),
    "a call's charge without its refund is what was earned and what the platform keeps; one refund at most": (
        service.sql.list_faulty_calls.statement
    ),
    "nothing is negative, and who owes has nothing": (
        "SELECT id FROM users WHERE coins_balance < 0 OR coin_debt < 0 OR (coin_debt > 0 AND coins_balance > 0)"
        " UNION ALL SELECT id FROM coin_transactions WHERE balance_after < 0"
    ),
    "a purchase is credited once, whole, and when it is paid": (
        "SELECT bought.id FROM coin_purchases AS bought LEFT JOIN coin_transactions AS entry"
        " ON entry.reference_id = bought.id AND entry.transaction_type = 'purchase'"
        " GROUP BY bought.id HAVING COALESCE(sum(entry.amount), 0)"
        " <> CASE WHEN bought.paid_at IS NULL THEN 0 ELSE bought.coins END"
    ),
    "what went back of purchases was taken from balances, or is owed, or was owed and is paid": (
        "SELECT users.id FROM users WHERE"
        " (SELECT COALESCE(sum(coins_taken_back), 0) FROM coin_purchases WHERE user_id = users.id)"
        " <> coin_debt + (SELECT COALESCE(-sum(signed_amount), 0) FROM coin_transactions WHERE"
        " user_id = users.id AND transaction_type IN ('spend', 'refund')"
        " AND reference_type IN ('purchase_refund', 'debt', 'purchase'))"
    ),
    "a message is charged once, and nothing is charged for a message that is not there": (
        "SELECT message.id FROM messages AS message FULL JOIN"
        " (SELECT * FROM coin_transactions WHERE reference_type = 'chat') AS entry"
        " ON entry.reference_id = message.id AND entry.user_id = message.sender_id"
        " GROUP BY message.id HAVING COALESCE(sum(entry.amount), 0) <> COALESCE(max(message.coins_spent), -1)"
    ),
    "an ad pays what its session says": (
        "SELECT users.id FROM users WHERE"
        " (SELECT COALESCE(sum(coins_earned), 0) FROM ad_sessions WHERE user_id = users.id)"
        " <> (SELECT COALESCE(sum(amount), 0) FROM coin_transactions"
        " WHERE user_id = users.id AND reference_type = 'ad_watch' AND idempotency_key NOT LIKE 'ad:client:%')"
    ),
    "a conversation counts its messages and names the last": (
        "SELECT kept.user_low FROM conversations AS kept LEFT JOIN messages AS message"
        " ON least(sender_id, receiver_id) = user_low AND greatest(sender_id, receiver_id) = user_high"
        " AND deleted_at IS NULL GROUP BY kept.user_low, kept.user_high HAVING"
        " (message_count, unread_low, unread_high) <> (count(message.id),"
        " count(*) FILTER (WHERE receiver_id = user_low AND NOT is_read),"
        " count(*) FILTER (WHERE receiver_id = user_high AND NOT is_read))"
        " OR last_message_id IS DISTINCT FROM"
        " (array_agg(message.id ORDER BY message.created_at DESC, message.id DESC))[1]"
    ),
}


#: All of them in one question, and who has what.
BROKEN = " UNION ALL ".join(
    "SELECT '{}' WHERE EXISTS ({})".format(rule.replace("'", "''"), search) for rule, search in FAULTS.items()
)
STANDING = "SELECT id::text, coins_balance - coin_debt FROM users"


def assert_coins_are_conserved(sql: Sql) -> None:
    assert sql(BROKEN) == []


class Books:
    """The same for whoever asks thousands of times: planned once."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        sql(f"PREPARE broken AS {BROKEN}")
        sql(f"PREPARE standing AS {STANDING}")

    def audit(self) -> dict[str, int]:
        """Everybody's balance less their debt, once nothing is found wrong."""
        assert self._sql("EXECUTE broken") == []
        return dict(self._sql("EXECUTE standing"))
