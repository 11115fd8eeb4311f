"""A person in the shop: buying coins, and the provider's news about it."""

from typing import Any

from tests.phone import Person
from tests.stripe_server import StripeServer, deliver, event

PURCHASE = "/api/coins/purchase"


class Shop:
    """One package of 100 coins for 9.99, and whoever buys it."""

    def __init__(self, client: Any, stripe: StripeServer, sql: Any) -> None:
        self.client, self.stripe, self._sql = client, stripe, sql
        self.package_id = self.add_package()

    def add_package(self, name: str = "100 Coins", *, active: bool = True) -> str:
        rows = self._sql(
            "INSERT INTO coin_packages (coins, price, name, is_active) "
            "VALUES (100, 9.99, %s, %s) RETURNING id",
            name, active,
        )  # fmt: skip
        return str(rows[0][0])

    async def ask(self, person: Person, **headers: str) -> tuple[int, dict[str, Any]]:
        body = {"packageId": self.package_id, "paymentMethod": "stripe"}
        response = await person.post(PURCHASE, body, headers=headers)
        return response.status, await response.json()

    async def open(self, person: Person) -> dict[str, Any]:
        status, answer = await self.ask(person)
        assert status == 200, answer
        return dict(answer["data"])

    async def buy(self, person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
        """Paid, and the news delivered: the purchase as it was answered, and the intent."""
        bought = await self.open(person)
        intent = self.stripe.settle(bought["paymentIntent"])
        assert await self.tell("payment_intent.succeeded", intent) == 200
        return bought, intent

    async def tell(self, kind: str, told: dict[str, Any], **how: Any) -> int:
        return await deliver(self.client, event(kind, told), **how)

    def debt(self, person: Person) -> int:
        return int(self._sql("SELECT coin_debt FROM users WHERE id = %s", person.id)[0][0])

    def outcomes(self) -> list[str]:
        return [row[0] for row in self._sql("SELECT outcome FROM webhook_events ORDER BY received_at")]

    def status_of(self, bought: dict[str, Any]) -> str:
        return str(self._sql("SELECT status FROM coin_purchases WHERE id = %s", bought["purchaseId"])[0][0])
