"""A phone as the tests hold it: a signed-in person's REST calls and socket."""

import asyncio
from typing import Any
from uuid import UUID

from aiohttp import ClientResponse, ClientWebSocketResponse, WSMessage, WSMsgType
from aiohttp.test_utils import TestClient

PATIENCE = 5.0

Client = TestClient[Any, Any]


class Person:
    """A registered user and their tokens."""

    def __init__(self, client: Client, user_id: UUID, phone_number: str, tokens: dict[str, Any]) -> None:
        self.client = client
        self.id = user_id
        self.phone_number = phone_number
        self.access_token: str = tokens["accessToken"]
        self.refresh_token: str = tokens["refreshToken"]

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token}"}

    async def get(self, path: str, **kwargs: Any) -> ClientResponse:
        return await self.client.get(path, headers=self.auth | kwargs.pop("headers", {}), **kwargs)

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> ClientResponse:
        headers = self.auth | kwargs.pop("headers", {})
        return await self.client.post(path, json=body, headers=headers, **kwargs)

    async def data(self, path: str) -> Any:
        """The data of a GET that must succeed."""
        response = await self.get(path)
        answer = await response.json()
        assert response.status == 200, answer
        return answer["data"]

    async def balance(self) -> int:
        return int((await self.data("/api/coins/balance"))["balance"])


class Phone:
    """A socket that speaks in events. Frames are kept in order until somebody expects them."""

    def __init__(self, person: Person, ws: ClientWebSocketResponse) -> None:
        self.person = person
        self.ws = ws
        self.ready: dict[str, Any] = {}
        self.heard: list[dict[str, Any]] = []
        self._next_id = 0

    async def emit(self, event: str, **data: Any) -> None:
        await self.ws.send_json({"event": event, "data": data})

    async def ask(self, event: str, **data: Any) -> dict[str, Any]:
        """The data of the ack; a refusal is returned as {"error": …}."""
        self._next_id += 1
        message_id = f"q{self._next_id}"
        await self.ws.send_json({"event": event, "data": data, "id": message_id})
        frame = await self._until(lambda frame: frame.get("id") == message_id)
        return dict(frame["data"]) if frame["event"] == "ack" else {"error": frame["data"]}

    async def expect(self, event: str, *, within: float = PATIENCE) -> dict[str, Any]:
        """The data of the next event of this name; others stay for later."""
        frame = await self._until(lambda frame: frame["event"] == event, within=within)
        return dict(frame["data"])

    async def expect_frame(self, event: str, *, within: float = PATIENCE) -> dict[str, Any]:
        return await self._until(lambda frame: frame["event"] == event, within=within)

    async def hears_nothing_of(self, *events: str) -> None:
        """Everything sent so far has arrived, and none of it was one of these."""
        await self.ask("ping")
        assert not [frame for frame in self.heard if frame["event"] in events], self.heard

    async def _until(self, wanted: Any, *, within: float = PATIENCE) -> dict[str, Any]:
        for frame in self.heard:
            if wanted(frame):
                self.heard.remove(frame)
                return frame
        async with asyncio.timeout(within):
            while True:
                frame = await self.ws.receive_json()
                if wanted(frame):
                    return dict(frame)
                self.heard.append(frame)

    async def closed(self, *, within: float = PATIENCE) -> int | None:
        """The code the server hangs up with, once it does."""
        async with asyncio.timeout(within):
            while (message := await self._receive()).type is WSMsgType.TEXT:
                self.heard.append(message.json())
        # The client's own answer may find the connection gone and turn close_code into 1006.
        return message.data if message.type is WSMsgType.CLOSE else self.ws.close_code

    async def _receive(self) -> WSMessage:
        """A ping may lie before the goodbye of a server that is gone: its pong goes nowhere, and is no matter."""
        while True:
            try:
                return await self.ws.receive()
            except ConnectionError:
                continue

    async def close(self) -> None:
        await self.ws.close()
