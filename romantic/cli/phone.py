"""A phone in code: one person's REST calls, socket, media and monitor. For the demo, checks and tests."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from romantic.cli.leg import Leg
from romantic.rtc.client import MonitorClient

Data = dict[str, Any]

PATIENCE = 10.0


class Refused(Exception):
    """The server said no, over REST or the socket; `code` is the contract's."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retry_after = retry_after  # seconds


class Line:
    """A socket that asks and is answered. Events are kept in order until somebody expects them."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.seq = 0  # of the newest recoverable event heard
        self._ws = ws
        self._heard: list[Data] = []
        self._news = asyncio.Condition()
        self._asked = 0
        self._is_over = False
        self._reader = asyncio.create_task(self._read())

    async def ask(self, event: str, **data: Any) -> Data:
        """The data of the ack; raises Refused."""
        self._asked = number = self._asked + 1
        await self._ws.send_json({"event": event, "data": data, "id": number})
        frame = await self._find(lambda frame: frame.get("id") == number, event, PATIENCE)
        return _granted(frame["event"] == "ack", frame["data"], frame["data"])

    async def resume(self, *, session_id: str, epoch: str, seq: int) -> Data:
        """Ask for what was missed since `seq` of an older socket: the data of `resumed`. Raises Refused."""
        self._asked = number = self._asked + 1
        position = {"sessionId": session_id, "epoch": epoch, "seq": seq}
        await self._ws.send_json({"event": "resume", "data": position, "id": number})

        def is_it(frame: Data) -> bool:
            return frame["event"] == "resumed" or (frame["event"] == "error" and frame.get("id") == number)

        frame = await self._find(is_it, "resumed", PATIENCE)
        return _granted(frame["event"] == "resumed", frame["data"], frame["data"])

    async def numbered(self, count: int, *, within: float = PATIENCE) -> list[Data]:
        """The first so many recoverable events in the order they came; TimeoutError when there are fewer."""

        def found() -> list[Data]:
            return [frame for frame in self._heard if "seq" in frame]

        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: len(found()) >= count or self._is_over)
        return found()[:count]

    async def drop(self) -> None:
        """Lose the connection as a phone in a tunnel does: no word to the server."""
        # uvloop's own object for the socket cannot do it; the descriptor beneath can.
        with socket.socket(fileno=os.dup(self._ws.get_extra_info("socket").fileno())) as raw:
            raw.shutdown(socket.SHUT_RDWR)
        await self._reader

    async def expect(self, event: str, *, within: float = PATIENCE) -> Data:
        """The data of the next event of this name; the others stay for later. TimeoutError without one."""
        return dict((await self.expect_frame(event, within=within))["data"])

    async def expect_frame(self, event: str, *, within: float = PATIENCE) -> Data:
        """The whole frame, and the monotonic instant it came in as `heard_at`."""
        return await self._find(lambda frame: frame["event"] == event, event, within)

    async def closed(self, *, within: float = PATIENCE) -> int | None:
        """The code the server hangs up with, once it does."""
        async with asyncio.timeout(within):
            await self._reader
        return self._ws.close_code

    async def close(self) -> None:
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._ws.close()

    async def _find(self, is_it: Callable[[Data], bool], name: str, within: float) -> Data:
        def found() -> Data | None:
            return next((frame for frame in self._heard if is_it(frame)), None)

        try:
            async with asyncio.timeout(within), self._news:
                frame = await self._news.wait_for(lambda: found() or self._is_over)
        except TimeoutError:
            raise TimeoutError(f"nothing heard of {name} within {within:g} s") from None
        if not isinstance(frame, dict):
            raise ConnectionError(f"the socket closed ({self._ws.close_code}) before {name} came")
        self._heard.remove(frame)
        return frame

    async def _read(self) -> None:
        while (message := await self._ws.receive()).type is WSMsgType.TEXT:
            async with self._news:
                frame = message.json()
                self.seq = max(self.seq, frame.get("seq") or 0)
                self._heard.append({**frame, "heard_at": monotonic()})
                self._news.notify_all()
        async with self._news:
            self._is_over = True
            self._news.notify_all()


class Phone:
    """One person at one server. Sign in, connect, then call, accept, join and talk."""

    def __init__(
        self,
        http: ClientSession,
        url: str,
        name: str,
        *,
        hosts: Sequence[str] | None = None,
        video: bool = True,
    ) -> None:
        self.name = name
        self.user_id = ""
        self.line: Line
        self.leg: Leg
        self.monitor: MonitorClient
        self._http = http
        self._url = url
        self._hosts = hosts
        self._video = video
        self._token = ""
        self._open: list[Callable[[], Awaitable[None]]] = []
        self._trickle: asyncio.Task[None] | None = None

    async def get(self, path: str) -> Any:
        """The data of the answer; raises Refused."""
        return await self._request("GET", path, None)

    async def post(self, path: str, body: Data | None = None) -> Any:
        return await self._request("POST", path, body)

    async def sign_in(self, number: str, code_of: Callable[[str], Awaitable[str]], **person: Any) -> bool:
        """Prove the number with the code `code_of` finds, and register the person if they are new: True."""
        await self.post("/api/auth/send-otp", {"phoneNumber": number})
        code = await code_of(number)
        proof = await self.post("/api/auth/verify-otp", {"phoneNumber": number, "otpCode": code})
        self._token = proof["accessToken"]
        if proof["isNewUser"]:
            body = {"phoneNumber": number, "fullName": self.name, **person}
            self._token = (await self.post("/api/auth/register", body))["accessToken"]
        await self.enter(self._token)
        return bool(proof["isNewUser"])

    async def enter(self, token: str) -> None:
        """Be whoever the access token or API key belongs to."""
        self._token = token
        profile = await self.get("/api/auth/profile")
        self.name, self.user_id = profile["fullName"], profile["id"]

    async def balance(self) -> int:
        return int((await self.get("/api/coins/balance"))["balance"])

    async def connect(self) -> Data:
        """Open the socket, again if it was lost; the data of `ready`."""
        self.line = Line(await self._http.ws_connect(f"{self._url}/ws", headers=self._headers))
        if self._close_line not in self._open:
            self._open.append(self._close_line)
        ready = await self.line.expect("ready")
        self.line.seq = max(self.line.seq, ready["seq"])
        return ready

    async def join(self, room_id: str) -> Data:
        """Take the seat in the call's room and pick up the camera; the ack."""
        self.leg = Leg(hosts=self._hosts, video=self._video)
        self._open.append(self.leg.close)
        return await self.line.ask("join-room", roomId=room_id)

    async def open_monitor(self, call_id: str) -> float:
        """Let the server's own peer watch this phone; how many seconds its channel took to open."""
        began = monotonic()
        leg = self.leg
        self.monitor = MonitorClient(
            rx=lambda: leg.counters("rx"),
            tx=lambda: leg.counters("tx"),
            quality=leg.quality,
            hosts=self._hosts,
        )
        self._open.append(self.monitor.close)
        answer = await self.line.ask("monitor-offer", callId=call_id, sdp=await self.monitor.offer())
        await self.monitor.accept(answer["sdp"])
        await self.monitor.wait_open()
        return monotonic() - began

    async def offer(self, room_id: str) -> int:
        """Offer media and trickle candidates; the size of the offer."""
        sdp = await self.leg.offer()
        await self.line.ask("webrtc-offer", roomId=room_id, offer={"type": "offer", "sdp": sdp})
        await self._exchange_candidates(room_id)
        answer = await self.line.expect("webrtc-answer")
        await self.leg.accept(answer["answer"]["sdp"])
        return len(sdp)

    async def answer(self, room_id: str) -> int:
        """Answer the offer that comes and trickle candidates; the size of the answer."""
        offer = await self.line.expect("webrtc-offer")
        sdp = await self.leg.answer(offer["offer"]["sdp"])
        await self.line.ask("webrtc-answer", roomId=room_id, answer={"type": "answer", "sdp": sdp})
        await self._exchange_candidates(room_id)
        return len(sdp)

    async def hang_up(self) -> None:
        """Put camera and monitor away; the socket stays."""
        await self._put_away(keep=1)

    async def close(self) -> None:
        """Put everything away, the socket too."""
        await self._put_away(keep=0)

    async def _close_line(self) -> None:
        await self.line.close()

    async def _put_away(self, *, keep: int) -> None:
        if self._trickle is not None:
            self._trickle.cancel()
        while len(self._open) > keep:
            with suppress(ConnectionError):
                await self._open.pop()()

    async def _exchange_candidates(self, room_id: str) -> None:
        self._trickle = asyncio.create_task(self._take_candidates())
        for candidate in self.leg.candidates:
            await self.line.ask("ice-candidate", roomId=room_id, candidate=candidate)

    async def _take_candidates(self) -> None:
        with suppress(TimeoutError, ConnectionError):
            candidate: Any = True
            while candidate is not None:
                candidate = (await self.line.expect("ice-candidate"))["candidate"]
                await self.leg.add_candidate(candidate)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _request(self, method: str, path: str, body: Data | None) -> Any:
        async with self._http.request(method, self._url + path, json=body, headers=self._headers) as response:
            answer = await response.json()
        return _granted(answer["success"], answer.get("data", {}), answer)


def _granted(is_granted: bool, data: Data, refusal: Data) -> Data:
    """The data, or Refused with the error of a REST answer or of a socket frame."""
    if is_granted:
        return data
    error = refusal.get("error", refusal)
    raise Refused(error["code"], refusal["message"], retry_after=error.get("retryAfterMs", 0) / 1000 or None)
