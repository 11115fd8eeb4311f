"""The balance, what it is spent on, purchases and rewarded ads."""

from romantic.docs.operation import Operation
from romantic.docs.shapes import (
    ANY,
    CALL,
    Answer,
    Pagination,
    flag,
    many,
    moment,
    number,
    one,
    text,
    uid,
    whole,
)

INTENT = "pi_3OYkJ2K9LmNoPqRs"


class Balance(Answer):
    """Coins now, ever earned and ever spent."""

    balance = whole(150)
    total_earned = whole(500)
    total_spent = whole(350)


class Entry(Answer):
    """A row of the ledger. Amounts are positive; the direction follows from the type."""

    id = uid()
    type = text("spend", about="earn, spend, purchase or refund.")
    amount = whole(50)
    description = text("Video call", null=True)
    balance_after = whole(150)
    reference_type = text("call", null=True)
    reference_id = uid(CALL, null=True)
    created_at = moment()


class Entries(Answer):
    """A page of the ledger, newest first. Go on with `nextCursor`."""

    transactions = many(Entry)
    pagination = one(Pagination)
    next_cursor = text("MTA0MQ==", null=True)


class Spent(Answer):
    """What was taken and what is left."""

    coins_spent = whole(10)
    new_balance = whole(145)


class Package(Answer):
    """Coins for money."""

    id = uid()
    name = text("50 Coins")
    coins = whole(50)
    price = number(4.99)
    currency = text("usd")
    is_active = flag(True)


class Packages(Answer):
    """What is on sale."""

    packages = many(Package)


class Intent(Answer):
    """What the payment sheet needs; the coins come with the provider's news."""

    payment_intent = text(INTENT)
    client_secret = text(f"{INTENT}_secret_…")
    purchase_id = uid()


class Purchase(Answer):
    """How far a purchase is."""

    id = uid()
    package_id = uid(null=True)
    coins = whole(50)
    price = number(4.99)
    currency = text("usd")
    payment_method = text("stripe")
    payment_intent = text(INTENT, null=True)
    status = text("paid", about="pending, paid, failed, refunded or disputed.")
    coins_taken_back = whole(0)
    paid_at = moment(null=True)
    created_at = moment()


class Earned(Answer):
    """What the ad paid. `pending` where the provider's word is still awaited."""

    sometimes = ("pending",)

    coins_earned = whole(5)
    new_balance = whole(155)
    pending = flag(True)


class AdSession(Answer):
    """Goes into the ad request as custom data."""

    nonce = text("q1w2e3r4t5y6")
    expires_at = moment("2024-01-15T11:30:00Z")


OPERATIONS = {
    "GET /api/coins/balance": Operation("One's coins", "Balance retrieved successfully", Balance),
    "GET /api/coins/transactions": Operation(
        "One's ledger", "Transactions retrieved successfully", Entries,
        about="`type` filters; `cursor` is the `nextCursor` of the page before.",
    ),
    "POST /api/coins/spend": Operation(
        "Spend coins", "Coins spent successfully", Spent,
        "INSUFFICIENT_COINS AMOUNT_MISMATCH REFERENCE_NOT_FOUND",
        "`amount` must be the price on the server's list. A reference is charged once, with or without an "
        "Idempotency-Key; calls and messages are charged where they begin, and this only repeats what "
        "they cost.",
        body={"amount": 10, "action": "gift", "referenceId": ANY},
    ),
    "GET /api/coins/packages": Operation("Coins on sale", "Packages retrieved successfully", Packages),
    "POST /api/coins/purchase": Operation(
        "Buy coins", "Payment intent created", Intent,
        "PACKAGE_NOT_FOUND PAYMENT_METHOD_UNAVAILABLE PAYMENT_PROVIDER_UNAVAILABLE",
        "Opens a payment. Coins are added when the provider says that it was paid, never by this answer; "
        "a retry "
        "is given the same intent.",
        body={"packageId": ANY, "paymentMethod": "stripe"},
    ),
    "GET /api/coins/purchases/{purchase_id}": Operation(
        "How far a purchase is", "Purchase retrieved successfully", Purchase, "PURCHASE_NOT_FOUND"
    ),
    "POST /api/coins/earn-ad": Operation(
        "Coins for an ad", "Coins earned successfully", Earned,
        about="Where the provider vouches for ads, this tells what its callback paid, and pays nothing "
        "itself. "
        "There is a gap between rewards and a cap a day.",
        body={"adType": "rewarded", "adProvider": "admob"},
    ),
    "POST /api/coins/ad-session": Operation(
        "Prepare a rewarded ad", "Ad session created", AdSession,
        about="The nonce goes into the ad request; the provider's callback brings it back.",
    ),
}  # fmt: skip
