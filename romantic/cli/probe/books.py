"""Whether every coin of the call is where the rules put it."""

from typing import Any

from romantic.cli.probe.outcome import Found, Trouble
from romantic.cli.probe.people import People
from romantic.cli.probe.talk import Talk

#: A call this long is paid by every server's rules; what is shorter may be given back.
SURELY_PAID_SECONDS = 10
PAGE = 100
ADVICE = "Run run.py admin ledger check, and look for the call's ledger.entry lines."

Entry = dict[str, Any]


class Books:
    """The ledger step: the entries of both, against what the call's record says."""

    def __init__(self, people: People, talk: Talk) -> None:
        self._people = people
        self._talk = talk

    async def check(self) -> Found:
        """ledger: debited, refunded, earned and returned as the record says, and no chain is broken."""
        call = self._talk.call
        record = (await self._people.caller.get(f"/api/calls/{call.id}"))["call"]
        caller, receiver = [await self._entries_of(phone) for phone in self._people.phones]
        spent, earned, refunded = record["coinsSpent"], record["coinsEarned"], record["refunded"]
        charged = spent + refunded
        _same("the caller was charged", _sum(caller, "call", "spend"), charged)
        _same("the caller was refunded", _sum(caller, "call", "refund"), refunded)
        _same("the receiver earned", _sum(receiver, "call", "earn"), earned)
        _same("the caller got back, as a robot", _sum(caller, "probe", "refund"), spent)
        _same("the receiver gave back, as a robot", _sum(receiver, "probe", "spend"), earned)
        self._check_rules(record)
        balances = [await phone.balance() for phone in self._people.phones]
        _same("balances", balances, call.balances)
        return Found(f"charged {charged}, refunded {refunded}, earned {earned}; all of it returned")

    def _check_rules(self, record: dict[str, Any]) -> None:
        spent, earned, refunded = record["coinsSpent"], record["coinsEarned"], record["refunded"]
        if earned > spent:
            raise Trouble(f"{earned} coins were earned from {spent}", ADVICE)
        if not spent and earned:
            raise Trouble("a call that was free of charge was earned from", ADVICE)
        is_flat = self._talk.call.billing == "flat"
        if is_flat and refunded not in (0, self._talk.call.price):
            raise Trouble(f"a part of a flat price was refunded: {refunded}", ADVICE)
        if is_flat and record["duration"] >= SURELY_PAID_SECONDS and refunded:
            raise Trouble(f"a call of {record['duration']} s was refunded", ADVICE)

    async def _entries_of(self, phone: Any) -> list[Entry]:
        """The entries of this call; the chain of the newest page must hold."""
        entries = (await phone.get(f"/api/coins/transactions?limit={PAGE}"))["transactions"]
        signed = [-one["amount"] if one["type"] == "spend" else one["amount"] for one in entries]
        for later, before, moved in zip(entries, entries[1:], signed, strict=False):
            if later["balanceAfter"] != before["balanceAfter"] + moved:
                raise Trouble(f"the chain of {phone.name}'s balances breaks", ADVICE)
        return [one for one in entries if one["referenceId"] == self._talk.call.id]


def _sum(entries: list[Entry], reference: str, kind: str) -> int:
    return sum(one["amount"] for one in entries if (one["referenceType"], one["type"]) == (reference, kind))


def _same(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Trouble(f"{what} {found} instead of {wanted}", ADVICE)
