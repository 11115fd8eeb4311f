"""Call-signaling load, the same for Socket.IO (websocket, engine.io 4 framing) and raw WebSocket JSON.

The pairs stay connected. Each burst gives every pair a real call through REST (initiate, and accept where
the server has it); then the clock starts and all pairs set their calls up: both join, whoever is told
`user-joined` offers (3 kB of SDP) and sends 20 ICE candidates (200 B each), the other answers and sends 20:
44 messages in, 43 out. The clock stops when everything has arrived. Ending the calls is timed apart: on our
side it moves money. With --rate calls start one after another, and --gap milliseconds lie between the
candidates of a side. Relayed messages carry their send time; latency is arrival minus that, on one clock.
Tokens: "userId <TAB> token" rows. Raw servers must write "event" first: {"event": …, "data": {…}}.
"""

import argparse
import asyncio
import gc
import http.client
import json
import os
import resource
import time
import urllib.parse

import procs
import uvloop
from picows import WSListener, WSMsgType, ws_connect

TEXT, now = WSMsgType.TEXT, time.perf_counter_ns
MARK = b"#ts"  # followed by 19 digits, anywhere in the payload
ICE = 20
PATIENCE = 30.0
CANDIDATE = (
    "candidate:842163049 1 udp 1677729535 203.0.113.77 46154 typ srflx raddr 10.0.0.17 rport 46154 "
    "generation 0 ufrag #ts" + "0" * 19
)
PATHS = {"socketio": "/socket.io/?EIO=4&transport=websocket", "raw": "/ws"}


def sdp():
    lines = ["v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
    lines.append("a=x-ts:#ts" + "0" * 19)
    k = 96
    while sum(map(len, lines)) + 2 * len(lines) < 2960:
        lines.append(f"a=rtpmap:{k} VP8/90000")
        lines.append(f"a=fmtp:{k} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
        k += 1
    return "\r\n".join(lines) + "\r\n"


class Codec:
    def __init__(self, proto):
        self.socketio = proto == "socketio"

    def event(self, name, data):
        data = json.dumps(data, separators=(",", ":"))
        return (f'42["{name}",{data}]' if self.socketio else f'{{"event":"{name}","data":{data}}}').encode()

    def timed(self, name, data):
        """The frame around the place where its send time goes."""
        head, tail = self.event(name, data).split(MARK)
        return head + MARK, tail[19:]


class Conn(WSListener):
    """One participant."""

    __slots__ = ("f", "got", "pair", "ready", "t", "token", "uid", "w")

    def __init__(self, w, uid, token):
        self.w, self.uid, self.token, self.pair = w, uid, token, None
        self.ready, self.got, self.f = w.loop.create_future(), 0, None

    def on_ws_connected(self, transport):
        self.t = transport

    def on_ws_disconnected(self, transport):
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed by the server"))
        self.w.closed += 1

    def on_ws_frame(self, transport, frame):
        if frame.msg_type != TEXT:
            return
        raw = frame.get_payload_as_bytes()
        if not self.ready.done():
            self.sign_in(raw)
            return
        if raw == b"2":
            transport.send(TEXT, b"3")  # engine.io's own ping
            return
        w, at = self.w, raw.find(MARK)
        if at >= 0:
            w.lat.append(now() - int(raw[at + 3 : at + 22]))
        head, pair = raw[:40], self.pair
        if pair is None:
            return
        if b"ice-candidate" in head or b"webrtc-answer" in head:
            self.got += 1
            pair.look()
        elif b"user-joined" in head:
            pair.joined(self)
        elif b"webrtc-offer" in head:
            self.got += 1
            pair.offered(self)
        elif b"call-ended" in head:
            pair.ended(self)
        elif b'"error' in head:
            w.bad += 1
            w.last_bad = raw[:300]

    def sign_in(self, raw):
        if not self.w.codec.socketio:
            self.ready.set_result(None)  # the greeting
        elif raw[:1] == b"0":
            self.t.send(TEXT, b'40{"token":"' + self.token.encode() + b'"}')
        elif raw[:2] == b"40":
            self.ready.set_result(None)
        elif raw[:2] == b"44":
            self.ready.set_exception(ConnectionError(raw.decode()))

    def timed(self, what):
        head, tail = self.f[what]
        self.t.send(TEXT, head + b"%019d" % now() + tail)


class Pair:
    """Two people and the call they are in; `a` calls `b`."""

    def __init__(self, w, a, b):
        self.w, self.a, self.b, self.state, self.who = w, a, b, 0, a
        a.pair = b.pair = self

    def prepare(self, room):
        for me, other in ((self.a, self.b), (self.b, self.a)):
            me.got, me.f = 0, self.frames(me, room, other.uid)
        self.state = 0

    def frames(self, me, room, target):
        event, timed = self.w.codec.event, self.w.codec.timed
        to = {"roomId": room, "targetUserId": target}
        candidate = {"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0}
        return {
            "join": event("join-room", {"roomId": room, "userId": me.uid}),
            "offer": timed("webrtc-offer", {"offer": {"type": "offer", "sdp": sdp()}, **to}),
            "answer": timed("webrtc-answer", {"answer": {"type": "answer", "sdp": sdp()}, **to}),
            "ice": timed("ice-candidate", {"candidate": candidate, **to}),
            "end": event("call-end", {"roomId": room, "userId": me.uid}),
        }

    def start(self):
        self.state = 1
        self.a.t.send(TEXT, self.a.f["join"])
        self.b.t.send(TEXT, self.b.f["join"])

    def trickle(self, me):
        gap = self.w.gap
        for k in range(ICE):
            if gap:
                self.w.loop.call_later(gap * (k + 1), me.timed, "ice")
            else:
                me.timed("ice")

    def joined(self, me):
        if self.state == 1:
            self.state, self.who = 2, me
            me.timed("offer")
            self.trickle(me)

    def offered(self, me):
        if self.state == 2:
            self.state = 3
            me.timed("answer")
            self.trickle(me)

    def look(self):
        if self.state == 3 and self.a.got == ICE + 1 == self.b.got:
            self.state = 4
            self.w.one_done()

    def end(self):
        self.state = 5
        self.who.t.send(TEXT, self.who.f["end"])

    def ended(self, me):
        if self.state == 5 and me is not self.who:
            self.state = 6
            self.w.one_done()


class World:
    def __init__(self, a):
        self.a, self.codec, self.gap = a, Codec(a.proto), a.gap / 1e3
        self.loop = asyncio.get_running_loop()
        self.lat, self.bad, self.closed, self.last_bad, self.left = [], 0, 0, b"", 0
        self.setting_up, self.ending, self.calls = Window(a.pid), Window(a.pid), 0
        url = urllib.parse.urlparse(a.base)
        self.rest = http.client.HTTPConnection(url.hostname, url.port, timeout=10)

    async def connect(self, uid, token):
        conn = Conn(self, uid, token)
        url = "ws" + self.a.base.removeprefix("http") + PATHS[self.a.proto]
        await ws_connect(
            lambda: conn,
            url,
            extra_headers={"Authorization": "Bearer " + token},
            websocket_handshake_timeout=30,
            read_buffer_init_size=4096,
        )
        await conn.ready
        return conn

    def post(self, path, token, body=None):
        headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
        self.rest.request("POST", path, body and json.dumps(body), headers)
        response = self.rest.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{path} answered {response.status}: {answer}")
        return answer["data"]

    def call(self, pair):
        """A real call between the two, so that the server finds them in its room."""
        body = {"receiverId": pair.b.uid, "callType": "video"}
        data = self.post("/api/calls/initiate", pair.a.token, body)
        if not self.codec.socketio:
            self.post(f"/api/calls/{data['callId']}/accept", pair.b.token)
        pair.prepare(data["roomId"])

    def one_done(self):
        self.left -= 1
        if not self.left:
            self.all_done.set_result(None)

    async def burst(self, pairs):
        for pair in pairs:
            self.call(pair)
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)  # what the phones are told about it is not part of the burst
        with self.setting_up:
            await self.each(pairs, Pair.start, self.a.rate)
        with self.ending:
            await self.each(pairs, Pair.end, self.a.rate)
        self.calls += len(pairs)

    async def each(self, pairs, step, rate):
        """Take a step with every pair, at once or `rate` a second, and wait until all are done with it."""
        self.left, self.all_done = len(pairs), self.loop.create_future()
        started = self.loop.time()
        for k, pair in enumerate(pairs):
            if rate:
                self.loop.call_at(started + k / rate, step, pair)
            else:
                step(pair)
        try:
            await asyncio.wait_for(self.all_done, PATIENCE)
        except TimeoutError:
            raise SystemExit(f"{self.left} calls hang; closed {self.closed}, {self.last_bad!r}") from None


class Window:
    """Adds up what passes while it is open: time, the server's CPU and ours."""

    def __init__(self, pid):
        self.pid, self.seconds, self.cpu, self.driver = pid, 0.0, 0.0, 0.0

    def __enter__(self):
        self.before = procs.cpu_by_pid(procs.tree(self.pid))
        self.used, self.at = self.own(), time.perf_counter()

    def __exit__(self, *_):
        self.seconds += time.perf_counter() - self.at
        self.driver += self.own() - self.used
        self.cpu += procs.cpu_since(self.before, self.pid)

    @staticmethod
    def own():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def clear(self):
        self.seconds = self.cpu = self.driver = 0.0


async def main(a):
    w = World(a)
    with open(a.tokens) as table:
        people = [line.split() for _, line in zip(range(2 * a.pairs), table, strict=False)]
    conns = [await w.connect(*person) for person in people]
    pairs = [Pair(w, *two) for two in zip(conns[::2], conns[1::2], strict=True)]
    await w.burst(pairs)  # warm-up, not counted
    gc.collect()
    gc.freeze()
    gc.disable()
    w.lat.clear()
    w.setting_up.clear()
    w.ending.clear()
    w.calls = 0
    while w.setting_up.seconds < a.seconds:
        await w.burst(pairs)
    print(json.dumps(report(w)), flush=True)
    os._exit(0)


def report(w):
    lat, span = sorted(w.lat), w.setting_up
    return {
        "rate": w.calls / span.seconds,
        "relayed": len(lat) / span.seconds,
        "p50": lat[len(lat) // 2] / 1e6,
        "p99": lat[int(len(lat) * 0.99)] / 1e6,
        "cpu": span.cpu / len(lat),
        "cpu_end": w.ending.cpu / w.calls,
        "driver": span.driver / span.seconds,
        "bad": w.bad + w.closed,
        "last_bad": w.last_bad.decode("utf8", "replace"),
    }


p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--proto", choices=tuple(PATHS), required=True)
p.add_argument("--base", required=True, help="http://host:port")
p.add_argument("--tokens", required=True)
p.add_argument("--pid", type=int, required=True, help="of the server")
p.add_argument("--pairs", type=int, default=50)
p.add_argument("--rate", type=float, default=0, help="calls started per second (0: all at once)")
p.add_argument("--gap", type=float, default=0, help="milliseconds between a side's candidates (0: burst)")
p.add_argument("--seconds", type=float, default=2, help="of set-up, all bursts together")
if __name__ == "__main__":
    uvloop.run(main(p.parse_args()))
