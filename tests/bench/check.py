"""The answers a server must give before its speed counts: status, shapes, the money arithmetic, refusals."""

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

TEXT, NUMBER, FLAG, MAYBE = str, int, bool, (str, type(None))
SHAPES: dict[str, dict[str, Any]] = {
    "profile": {
        "id": TEXT, "phoneNumber": TEXT, "fullName": TEXT, "age": NUMBER, "gender": TEXT, "bio": MAYBE,
        "location": MAYBE, "profileImageUrl": MAYBE, "isVerified": FLAG, "isSuperLover": FLAG,
        "coins": NUMBER, "lastSeen": TEXT, "isOnline": FLAG, "createdAt": TEXT,
    },
    "balance": {"balance": NUMBER, "totalEarned": NUMBER, "totalSpent": NUMBER},
    "spend": {"coinsSpent": NUMBER, "newBalance": NUMBER},
    "call": {"callId": TEXT, "roomId": TEXT, "coinsSpent": NUMBER, "newBalance": NUMBER},
}  # fmt: skip
MOMENTS = {"lastSeen", "createdAt"}


class Person:
    """Somebody who asks a server."""

    def __init__(self, base: str, token: str) -> None:
        self._base, self._token = base, token

    def ask(self, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Status and answer of a GET, or of a POST where there is a body."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, headers=headers, data=data)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def data(self, name: str, path: str, body: Any = None) -> dict[str, Any]:
        """The data of an answer that must be right; our server may say more than the peer."""
        status, answer = self.ask(path, body)
        assert status == 200 and answer["success"] is True, (name, status, answer)
        data = answer["data"]
        for key, kind in SHAPES[name].items():
            assert isinstance(data[key], kind), (name, key, data)
        return {key: data[key] for key in SHAPES[name]}


def check(base: str, people: list[tuple[str, str]]) -> dict[str, Any]:
    """Raise AssertionError at the first wrong answer; the two reads, to compare them between servers."""
    (_, token), (other, _) = people[-2:]
    me = Person(base, token)
    reads = {
        "profile": me.data("profile", "/api/auth/profile"),
        "balance": me.data("balance", "/api/coins/balance"),
    }
    before = reads["balance"]
    paid = (
        ("spend", 10, "/api/coins/spend", {"amount": 10, "action": "gift", "referenceId": str(uuid.uuid4())}),
        ("call", 50, "/api/calls/initiate", {"receiverId": other, "callType": "video"}),
    )
    for name, cost, path, body in paid:
        answer = me.data(name, path, body)
        after = me.data("balance", "/api/coins/balance")
        assert answer["newBalance"] == after["balance"] == before["balance"] - cost, (
            name,
            answer,
            before,
            after,
        )
        assert answer["coinsSpent"] == cost and after["totalSpent"] == before["totalSpent"] + cost, (
            name,
            after,
        )
        before = after
    _check_refusals(base, me, token)
    assert me.data("balance", "/api/coins/balance") == before, "a refused request moved coins"
    return {name: {key: row[key] for key in row.keys() - MOMENTS} for name, row in reads.items()}


def _check_refusals(base: str, me: Person, token: str) -> None:
    for wrong in ("x.y.z", f"{token[:-3]}abc"):
        status, _ = Person(base, wrong).ask("/api/coins/balance")
        assert status == 401, (wrong, status)
    bad = {
        "/api/coins/spend": {"amount": -5, "action": "gift"},
        "/api/calls/initiate": {"receiverId": "x", "callType": "fax"},
    }
    for path, body in bad.items():
        status, answer = me.ask(path, body)
        assert status in (400, 422) and answer["success"] is False, (path, status, answer)
