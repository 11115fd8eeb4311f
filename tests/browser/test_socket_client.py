"""/web/socket.js against a server that speaks the protocol by heart: coming back, and hearing everything once."""

import json
from typing import Any

import pytest
from playwright.async_api import WebSocketRoute

from tests.browser.conftest import OpenTab
from tests.waiting import until

pytestmark = pytest.mark.browser

LISTEN = """
async () => {
  const { Socket } = await import("/web/socket.js");
  window.heard = [];
  window.line = new Socket({ token: "token", refresh: async () => {} });
  for (const event of ["ready", "resumed", "balance"]) line.on(event, (data) => heard.push([event, data.n ?? null]));
  line.open();
}
"""


class Scripted:
    """The server's part: greets each connection, answers `resume` as the test says, and writes down what comes."""

    def __init__(self) -> None:
        self.greetings: list[dict[str, Any]] = []
        self.answers: list[list[dict[str, Any]]] = []
        self.said: list[dict[str, Any]] = []
        self.lines: list[WebSocketRoute] = []

    def meet(self, line: WebSocketRoute) -> None:
        self.lines.append(line)
        line.on_message(lambda text: self._hear(line, json.loads(text)))
        self.tell({"event": "ready", "data": self.greetings.pop(0)})

    def tell(self, *frames: dict[str, Any]) -> None:
        for frame in frames:
            self.lines[-1].send(json.dumps(frame))

    def balance(self, *numbers: int) -> list[dict[str, Any]]:
        return [{"event": "balance", "data": {"n": seq}, "seq": seq} for seq in numbers]

    def _hear(self, line: WebSocketRoute, frame: dict[str, Any]) -> None:
        self.said.append(frame)
        if frame["event"] == "resume":
            for answer in self.answers.pop(0):
                line.send(json.dumps(answer | ({"id": frame["id"]} if answer["event"] == "error" else {})))


async def test_what_was_missed_comes_once_and_a_new_stream_is_followed_from_its_own_number(
    open_tab: OpenTab,
) -> None:
    server, tab = Scripted(), await open_tab("/demo/check")
    await tab.page.route_web_socket("**/ws", server.meet)
    await tab.page.reload()
    server.greetings = [
        {"sessionId": "s_1", "epoch": "old", "seq": 10},
        {"sessionId": "s_2", "epoch": "old", "seq": 14},
        {"sessionId": "s_3", "epoch": "new", "seq": 3},
        {"sessionId": "s_4", "epoch": "new", "seq": 5},
    ]
    lost = {"recovered": False, "reason": "epoch_changed", "epoch": "new", "seq": 3}
    server.answers = [
        [{"event": "resumed", "data": {"recovered": True, "replayed": 3}}, *server.balance(12, 13, 13, 14)],
        [{"event": "resumed", "data": lost}, *server.balance(4)],
        [{"event": "error", "data": {"code": "UNKNOWN_EVENT", "message": "", "retryable": False}}],
    ]

    async def has_heard(number: int) -> None:
        async def holds() -> bool:
            return len(await tab.page.evaluate("() => heard")) >= number

        await until(holds, within=20)

    await tab.page.evaluate(LISTEN)
    await has_heard(1)
    server.tell(*server.balance(11))
    await has_heard(2)
    for heard in (7, 10, 12):
        await tab.page.evaluate("() => line.drop()")
        await has_heard(heard)

    resumed = [frame["data"] for frame in server.said if frame["event"] == "resume"]
    assert resumed == [
        {"sessionId": "s_1", "epoch": "old", "seq": 11},
        {"sessionId": "s_2", "epoch": "old", "seq": 14},
        {"sessionId": "s_3", "epoch": "new", "seq": 4},
    ]
    assert {frame["event"] for frame in server.said} == {"resume"}
    come_back = [["ready", None], ["resumed", None]]
    assert await tab.page.evaluate("() => heard") == [
        ["ready", None],
        ["balance", 11],
        *come_back,
        ["balance", 12],
        ["balance", 13],
        ["balance", 14],
        *come_back,
        ["balance", 4],
        *come_back,
    ]
