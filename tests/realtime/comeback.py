"""A phone that loses its socket, and comes back saying where it was."""

import asyncio
from uuid import UUID

from romantic.realtime import HUB, Event, Kind
from romantic.redis import REDIS
from tests.phone import Phone
from tests.waiting import until

PATIENCE = 15.0


def send(node, person, n, kind=Kind.RECOVERABLE, **kwargs):
    node.app[HUB].send(UUID(str(person.id)), Event("balance", {"balance": n}, kind), **kwargs)


async def kept(node, person, count):
    """Until the stream holds so many events."""

    async def enough():
        key = f"romantic:{{u:{person.id}}}:events"
        return (await node.app[REDIS].run([("XLEN", key)]))[0] >= count

    await until(enough)


def cut(phone):
    """The connection is gone without a word."""
    phone.ws._response.connection.transport.abort()


async def gone(phone, node):
    person = UUID(str(phone.person.id))
    cut(phone)

    async def has_left():
        return not node.app[HUB].is_online(person)

    await until(has_left)


async def gone_one(phone, node):
    """One of several sockets is cut."""
    cut(phone)

    async def has_left():
        ends = node.app[HUB].sockets_of(UUID(str(phone.person.id)))
        return phone.ready["sessionId"] not in {end.session_secret for end in ends}

    await until(has_left)


async def back(phone, *, seq, person=None, **changes):
    """A new socket that says first where the old one was; the answer as well."""
    person = person or phone.person
    ws = await person.client.ws_connect("/ws", headers=person.auth)
    again = Phone(person, ws)
    asked = {"sessionId": phone.ready["sessionId"], "epoch": phone.ready["epoch"], "seq": seq} | changes
    await again.emit("resume", **asked)
    again.ready = await again.expect("ready", within=PATIENCE)
    return again, await again.expect("resumed", within=PATIENCE)


async def numbered(phone, count, *names):
    """The next numbered frames, as they come."""
    frames = []
    async with asyncio.timeout(PATIENCE):
        while len(frames) < count:
            frame = phone.heard.pop(0) if phone.heard else await phone.ws.receive_json()
            if "seq" in frame and (not names or frame["event"] in names):
                frames.append(frame)
    return frames


def seqs(frames):
    return [frame["seq"] for frame in frames]


def values(frames):
    return [frame["data"]["balance"] for frame in frames]
