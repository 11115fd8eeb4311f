"""Three people, what they may do with coins, and a model of where every coin must then be."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from romantic.coins.reconciler import reconcile
from tests.admin.desk import Desk
from tests.calls.stage import until
from tests.coins.books import Books, Sql
from tests.outside import Outside
from tests.phone import Person
from tests.stripe_server import charge, deliver, dispute, event

COINS, START = 100, 20
PRICES = {"boost": 20, "gift": 10}
CALL, EARNING, MESSAGE, AD = 50, 25, 5, 5

#: How a call may end: what its caller has back.
BACK = {"rejected": CALL, "missed": CALL, "ended": 0}

EMPTIED = (
    "live_calls", "call_events", "calls", "messages", "conversations", "purchase_reversals", "coin_purchases",
    "webhook_events", "ad_sessions", "ad_views", "coin_transactions", "idempotency_keys", "admin_audit",
)  # fmt: skip


@dataclass
class Bought:
    """A purchase in the model: coins are owned while it is paid, without what went back."""

    owner: int
    id: str
    intent: dict[str, Any]
    is_paid: bool = False
    refunded: int = 0
    is_disputed: bool = False
    is_returned: bool = False

    @property
    def coins(self) -> int:
        refunded = -(-COINS * self.refunded // self.intent["amount"])
        disputed = COINS if self.is_disputed and not self.is_returned else 0
        return COINS - min(COINS, refunded + disputed) if self.is_paid else 0


@dataclass
class News:
    """An event of Stripe's on its way, and what it says."""

    told: dict[str, Any]
    bought: Bought
    kind: str
    cents: int = 0


@dataclass
class Call:
    caller: int
    receiver: int
    id: str
    state: str = "ringing"


@dataclass
class Model:
    """`worth` is balance less debt: who owes has nothing, so it says both."""

    worth: list[int] = field(default_factory=lambda: [START] * 3)
    call: Call | None = None
    unanswered: Counter[tuple[int, int]] = field(default_factory=Counter)
    purchases: list[Bought] = field(default_factory=list)
    mail: list[News] = field(default_factory=list)
    sent: dict[tuple[int, str], str] = field(default_factory=dict)
    charged: set[tuple[int, str, str]] = field(default_factory=set)
    nonces: list[tuple[int, str]] = field(default_factory=list)
    paid_nonces: set[str] = field(default_factory=set)
    paid_ads: set[str] = field(default_factory=set)

    def pays(self, person: int, price: int) -> bool:
        """A price below zero is a credit, which is never refused."""
        if price > max(self.worth[person], 0):
            return False
        self.worth[person] -= price
        return True

    def hears(self, news: News) -> None:
        """The same whatever came before and however often: a purchase is worth what it now says."""
        bought, before = news.bought, news.bought.coins
        if news.kind == "paid":
            bought.is_paid = True
        elif news.kind == "refund":
            bought.refunded = max(bought.refunded, news.cents)
        elif news.kind in ("dispute", "lost", "won"):
            bought.is_disputed = True
            bought.is_returned |= news.kind == "won"
        self.worth[bought.owner] += bought.coins - before


class World:
    """The real server; every move is a request, several of them sent at the same moment where it says so."""

    def __init__(self, people: list[Person], desk: Desk, outside: Outside, sql: Sql) -> None:
        self.people, self.desk, self.stripe, self.admob, self.sql = (
            people,
            desk,
            outside.stripe,
            outside.admob,
            sql,
        )
        self.client = people[0].client
        self.package = str(
            sql("INSERT INTO coin_packages (coins, price, name) VALUES (%s, 9.99, 'P') RETURNING id", COINS)[
                0
            ][0]
        )
        self.model = Model()
        self.books = Books(sql)

    def begin(self) -> None:
        """Everybody has START coins and no past; triggers that forbid this are asleep."""
        self.model = Model()
        self.stripe.forget()
        deletions = ";".join(f"DELETE FROM {table}" for table in EMPTIED)
        self.sql(
            f"SET session_replication_role = replica; {deletions};"
            "UPDATE users SET coins_balance = 0, coin_debt = 0, coins_earned = 0, coins_spent = 0;"
            "SET session_replication_role = DEFAULT"
        )
        for person in self.people:
            self.sql(
                "SELECT add_entry(%s, 'earn', %s, %s, '', NULL, NULL)", person.id, START, f"start:{person.id}"
            )

    async def post(self, person: int, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        response = await self.people[person].post(path, body)
        answer = await response.json()
        return response.status, answer.get("data") or {}

    async def message(self, sender: int, receiver: int, client_id: str, copies: int) -> None:
        body = {"receiverId": self.people[receiver].id, "messageText": "Hi", "clientMessageId": client_id}
        answers = await at_once(copies, lambda: self.post(sender, "/api/messages/send", body))
        earlier = self.model.sent.get((sender, client_id))
        if earlier is None and not self.model.pays(sender, MESSAGE):
            assert {status for status, _ in answers} == {402}
            return
        (message_id,) = {data["message"]["id"] for _, data in answers}
        assert earlier in (None, message_id)
        self.model.sent[sender, client_id] = message_id

    async def take_back(self, sender: int, client_id: str) -> None:
        """Delete a message, without its coins."""
        message_id = self.model.sent.get((sender, client_id))
        if message_id is not None:
            person = self.people[sender]
            response = await self.client.delete(f"/api/messages/{message_id}", headers=person.auth)
            assert response.status == 200

    async def read(self, reader: int, writer: int) -> None:
        path = f"/api/messages/read/{self.people[writer].id}"
        assert (await self.client.put(path, headers=self.people[reader].auth)).status == 200

    async def spend(self, person: int, action: str, reference: UUID, copies: int) -> None:
        body = {"amount": PRICES[action], "action": action, "referenceId": str(reference)}
        answers = await at_once(copies, lambda: self.post(person, "/api/coins/spend", body))
        charge_of = person, action, str(reference)
        if charge_of not in self.model.charged and not self.model.pays(person, PRICES[action]):
            assert {status for status, _ in answers} == {402}
            return
        self.model.charged.add(charge_of)
        assert {(status, data["newBalance"]) for status, data in answers} == {
            (200, max(self.model.worth[person], 0))
        }

    async def adjust(self, person: int, amount: int, reference: UUID, copies: int) -> None:
        """By staff, once per reference; nobody's last coin is taken twice."""
        body = {"userId": self.people[person].id, "amount": amount, "reason": "goodwill", "note": "Sorry"}
        told = body | {"referenceId": str(reference)}
        answers = await at_once(copies, lambda: self.desk.send("POST", "/api/admin/coins/adjust", told))
        charge_of = person, "adjust", str(reference)
        if charge_of not in self.model.charged and not self.model.pays(person, -amount):
            assert {status for status, _ in answers} == {402}
            return
        self.model.charged.add(charge_of)
        assert {status for status, _ in answers} == {200}

    async def initiate(self, caller: int, receiver: int) -> None:
        model, body = self.model, {"receiverId": self.people[receiver].id, "callType": "video"}
        status, data = await self.post(caller, "/api/calls/initiate", body)
        if model.unanswered[caller, receiver] >= 3:
            assert status == 429
        elif model.call is not None and {caller, receiver} & {model.call.caller, model.call.receiver}:
            assert status == 409
        elif not model.pays(caller, CALL):
            assert status == 402
        else:
            model.call = Call(caller, receiver, data["callId"])

    async def move(self, *moves: tuple[str, bool]) -> None:
        """Accept, reject or end, each by the caller or not, all at the same moment."""
        call = self.model.call
        if call is None:
            return
        roles = {True: call.caller, False: call.receiver}
        await asyncio.gather(
            *(self.post(roles[who], f"/api/calls/{call.id}/{name}", {}) for name, who in moves)
        )
        self.look_at_call()

    async def ring_out(self) -> None:
        call = self.model.call
        if call is not None and call.state == "ringing":
            self.sql("UPDATE calls SET ring_deadline = now() WHERE ended_at IS NULL")
            await until(lambda: self.sql("SELECT count(*) FROM calls WHERE ended_at IS NULL") == [(0,)])
            self.look_at_call()

    def look_at_call(self) -> None:
        """However moves interleaved, the call is in one state, and its coins are what that state says."""
        model = self.model
        assert model.call is not None
        call = model.call
        ((state,),) = self.sql("SELECT status FROM calls WHERE id = %s", call.id)
        assert (
            state
            in {"ringing": ("initiated", "answered", *BACK), "answered": ("answered", "ended")}[call.state]
        )
        if state == "answered":
            call.state = state
        if state not in BACK:
            return
        model.worth[call.caller] += BACK[state]
        if state == "ended" and call.receiver < 2:  # the third is no super lover
            model.worth[call.receiver] += EARNING
        model.unanswered[call.caller, call.receiver] += state == "missed"
        model.call = None

    async def buy(self, person: int) -> None:
        body = {"packageId": self.package, "paymentMethod": "stripe"}
        status, data = await self.post(person, "/api/coins/purchase", body)
        assert status in (200, 429)
        if status == 200:
            intent = self.stripe.intents[data["paymentIntent"]]
            self.model.purchases.append(Bought(person, data["purchaseId"], intent))

    def happen(self, bought: Bought, kind: str, cents: int) -> None:
        """Something comes to pass at Stripe; the event about it lies in the mail until somebody delivers it."""
        if kind in ("paid", "silent"):
            self.stripe.settle(bought.intent["id"])
        intent = dict(bought.intent)
        if kind == "silent":
            return
        told = {
            "paid": lambda: event("payment_intent.succeeded", intent),
            "forged": lambda: event("payment_intent.succeeded", intent | {"amount_received": 1, "status": "succeeded"}),
            "failed": lambda: event("payment_intent.payment_failed", intent),
            "refund": lambda: event("charge.refunded", charge(intent, refunded=cents)),
            "dispute": lambda: event("charge.dispute.created", dispute(intent)),
            "won": lambda: event("charge.dispute.closed", dispute(intent, "won")),
            "lost": lambda: event("charge.dispute.closed", dispute(intent, "lost")),
        }[kind]()  # fmt: skip
        self.model.mail.append(News(told, bought, kind, cents))

    async def hear(self, news: list[News]) -> None:
        """Events arrive, all at the same moment; the same one may be among them twice."""
        statuses = await asyncio.gather(*(deliver(self.client, item.told) for item in news))
        assert set(statuses) <= {200}
        for item in news:
            self.model.hears(item)

    async def refund(self, bought: Bought) -> None:
        """By staff: Stripe is asked, and the coins follow with its news."""
        status, _ = await self.desk.send(
            "POST", f"/api/admin/purchases/{bought.id}/refund", {"reason": "asked"}
        )
        assert status == (200 if bought.coins > 0 else 409)
        if status == 200:
            self.happen(bought, "refund", bought.intent["amount"])

    async def reconcile(self, news: list[News]) -> None:
        """Our own question, while the answer to it may be arriving by itself."""
        await asyncio.gather(reconcile(self.client.app, older_than=0), self.hear(news))
        for bought in self.model.purchases:
            if bought.intent["status"] == "succeeded":
                self.model.hears(News({}, bought, "paid"))

    async def begin_ad(self, person: int) -> None:
        status, data = await self.post(person, "/api/coins/ad-session")
        assert status == 200
        self.model.nonces.append((person, data["nonce"]))

    async def watch(self, nonce: tuple[int, str], transaction: str, copies: int) -> None:
        query = self.admob.query(nonce[1], transaction_id=transaction)
        answers = await at_once(copies, lambda: self.client.get(f"/api/webhooks/admob?{query}"))
        assert {response.status for response in answers} == {200}
        if nonce[1] not in self.model.paid_nonces and transaction not in self.model.paid_ads:
            self.model.paid_nonces.add(nonce[1])
            self.model.paid_ads.add(transaction)
            self.model.worth[nonce[0]] += AD

    def standing(self) -> list[int]:
        """Everybody's balance less their debt, as the audited database has it."""
        worth = self.books.audit()
        return [worth[str(person.id)] for person in self.people]


async def at_once(copies: int, ask: Callable[[], Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*(ask() for _ in range(copies))))
