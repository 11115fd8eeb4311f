"""A phone with real media: two of them talk to each other, and each proves itself to the server."""

import asyncio
from contextlib import suppress

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from aiortc.sdp import candidate_from_sdp

from romantic.rtc.client import MonitorClient, gather_from
from tests.calls.stage import until

LOOPBACK = ["127.0.0.1"]


class RealPhone:
    """A socket, a peer connection that sends and hears audio, and a monitor that reports what it heard."""

    def __init__(self, socket, call):
        self.socket, self.call = socket, call
        self.heard = 0
        self.peer = RTCPeerConnection()
        self.peer.addTrack(AudioStreamTrack())
        self.peer.on("track", self._listen)
        self.monitor = MonitorClient(rx=self._counters, quality=lambda: {"pair": "host/host"}, hosts=LOOPBACK)
        self._tasks = []

    def _counters(self):
        return {"a": self.heard} if self.heard else None

    def _listen(self, track):
        self._tasks.append(asyncio.create_task(self._count(track)))

    async def _count(self, track):
        with suppress(MediaStreamError):
            while True:
                self.heard += 2 * (await track.recv()).samples

    async def join(self):
        return await self.socket.ask("join-room", roomId=self.call.room_id)

    async def open_monitor(self):
        """Offer a monitor, take the answer, and wait for the channel and the first ping on it."""
        ack = await self.socket.ask("monitor-offer", callId=self.call.id, sdp=await self.monitor.offer())
        await self.monitor.accept(ack["sdp"])
        await self.monitor.wait_open()
        await until(lambda: self.monitor.pings)
        return ack

    async def describe(self, make):
        """Set the local description and return it without addresses, and the addresses."""
        gather_from(self.peer.getSenders()[0].transport.transport._connection, hosts=LOOPBACK)
        await self.peer.setLocalDescription(await make())
        lines = self.peer.localDescription.sdp.split("\r\n")
        addresses = [line for line in lines if line.startswith("a=candidate")]
        bare = [line for line in lines if line not in addresses and line != "a=end-of-candidates"]
        return "\r\n".join(bare), [line.removeprefix("a=") for line in addresses]

    async def say(self, kind, make):
        """Send a description, and its candidates one by one after it."""
        sdp, candidates = await self.describe(make)
        body = {kind: {"type": kind, "sdp": sdp}}
        await self.socket.ask(f"webrtc-{kind}", roomId=self.call.room_id, **body)
        for text in candidates:
            candidate = {"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0}
            await self.socket.ask("ice-candidate", roomId=self.call.room_id, candidate=candidate)

    async def hear(self, kind):
        description = (await self.socket.expect(f"webrtc-{kind}"))[kind]
        await self.peer.setRemoteDescription(RTCSessionDescription(**description))
        heard = (await self.socket.expect("ice-candidate"))["candidate"]
        candidate = candidate_from_sdp(heard["candidate"].removeprefix("candidate:"))
        candidate.sdpMid = heard["sdpMid"]
        await self.peer.addIceCandidate(candidate)

    def vanish(self):
        """The battery is empty: no close frame, no goodbye on any channel."""
        self.monitor.stop_answering()
        self.socket.ws._response.connection.transport.abort()

    async def close(self):
        await asyncio.gather(self.monitor.close(), self.peer.close())
        await asyncio.gather(*self._tasks)
