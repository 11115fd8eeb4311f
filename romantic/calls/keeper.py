"""What the keeper of a call does for its phones, whichever node they are connected to.

Every act takes the phone and a body fit for JSON, and gives an answer fit for JSON.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from romantic.calls import conduct, service
from romantic.calls.errors import InvalidCallState, NotInCall, TargetNotInCall
from romantic.calls.live import LiveCall
from romantic.calls.room import Phone
from romantic.calls.service import Ending
from romantic.db import DatabaseBusy, connection
from romantic.errors import RomanticError

log = structlog.get_logger()

WRITES = web.AppKey("WRITES", set[asyncio.Task[None]])


def join(_app: web.Application, live: LiveCall, phone: Phone, _: dict[str, Any]) -> dict[str, Any]:
    """Take a seat. `beats`: this party's beats come over the socket, and its node has to ask for them."""
    others = [one for one in live.room.participants if UUID(str(one["userId"])) != phone.user_id]
    waiting = live.room.join(phone)
    return {
        "status": live.status,
        "participants": others,
        "pending": [{"event": event.name, "data": event.data} for event in waiting],
        "beats": live.meter.via(phone.user_id) == "ws",
    }


def sit_again(_app: web.Application, live: LiveCall, phone: Phone, _: dict[str, Any]) -> dict[str, Any]:
    """Take back the seat that was lost a moment ago, and tell nobody."""
    live.room.sit_again(phone)
    return {"beats": live.meter.via(phone.user_id) == "ws", "isSeated": live.room.is_seated(phone)}


def leave(_app: web.Application, live: LiveCall, phone: Phone, _: dict[str, Any]) -> dict[str, Any]:
    """Get up without hanging up."""
    _check_seat(live, phone)
    live.room.leave(phone)
    return {}


def describe(
    app: web.Application, live: LiveCall, phone: Phone, body: dict[str, Any]
) -> dict[str, Any] | Awaitable[dict[str, Any]]:
    """Hand an offer or answer to the other side as it is; whoever comes late finds it in the database.

    Not delivered: the other side is not in the room yet. Raises InvalidCallState for an answer to no offer.
    """
    _check_seat(live, phone, target=body.get("target"))
    kind, description = body["kind"], body["description"]
    if kind == "answer" and not live.monitor.offered:
        raise InvalidCallState("There is no offer to answer.", status=live.status)
    delivered = live.room.relay(f"webrtc-{kind}", {kind: description}, sender=phone.user_id)
    text = description["sdp"] if isinstance(description, dict) else description
    stored = _store(app, live.id, kind, text)
    if not delivered:
        return _answered(stored, {"delivered": False})
    do_later(app, stored)  # the other side has it already: the write must not hold up the next frame
    return {"delivered": True}


async def _answered(job: Coroutine[Any, Any, None], answer: dict[str, Any]) -> dict[str, Any]:
    await job
    return answer


async def _store(app: web.Application, call_id: UUID, kind: str, sdp: str) -> None:
    query = service.sql.set_offer if kind == "offer" else service.sql.set_answer
    async with connection(app) as conn:
        await conn.run(query, call_id=call_id, sdp=sdp)


def do_later(app: web.Application, job: Coroutine[Any, Any, None]) -> None:
    """What nobody waits for; in time before the application stops."""

    async def do() -> None:
        try:
            await job
        except DatabaseBusy as error:
            log.warning("signaling.not_stored", reason=str(error))
        except RomanticError as refusal:
            log.info("signaling.refused", reason=refusal.code)  # it is over, or nobody's to do any more
        except Exception:
            log.exception("signaling.crashed")

    task = asyncio.create_task(do())
    app[WRITES].add(task)
    task.add_done_callback(app[WRITES].discard)


def pass_candidate(
    _app: web.Application, live: LiveCall, phone: Phone, body: dict[str, Any]
) -> dict[str, Any]:
    _check_seat(live, phone, target=body.get("target"))
    payload = {"candidate": body["candidate"]}
    return {"delivered": live.room.relay("ice-candidate", payload, sender=phone.user_id)}


async def take_sample(
    app: web.Application, live: LiveCall, phone: Phone, body: dict[str, Any]
) -> dict[str, Any]:
    """A client's view of its leg to the other person: quality, never money."""
    await conduct.take_sample(app, live, phone.user_id, body["sample"])
    return {}


async def end(app: web.Application, live: LiveCall, _: Phone, body: dict[str, Any]) -> dict[str, Any]:
    """End the call, by the meter that is here; the asker reads in the database what came of it."""
    by, gone = (UUID(body[name]) if body[name] else None for name in ("by", "gone"))
    ending = Ending(body["reason"], by=by, client_duration=body["client_duration"], gone=gone)
    await conduct.end(app, call_id=live.id, ending=ending)
    return {}


def _check_seat(live: LiveCall, phone: Phone, *, target: Any = None) -> None:
    """A socket must have joined; a REST request never does. A target is the other party, or nobody."""
    if phone.conn_id is not None and not live.room.is_seated(phone):
        raise NotInCall("Join the room first.")
    if target is not None and UUID(str(target)) != live.room.other(phone.user_id):
        raise TargetNotInCall


ACTS = {
    "join": join,
    "sit-again": sit_again,
    "leave": leave,
    "describe": describe,
    "candidate": pass_candidate,
    "sample": take_sample,
    "end": end,
}
