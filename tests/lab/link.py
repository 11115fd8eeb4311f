"""A line between two namespaces that delays and loses packets: the kernels of test machines have no netem.

Two TUN devices, and a thread in between that reads on one side and writes, later or never, on the other.
"""

import asyncio
import fcntl
import os
import struct
import threading
from collections import Counter

from tests.lab.netns import inside

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MTU = 2048


class Link:
    """Delays each way by `delay` seconds, and loses each way one packet in `lose_every` of every size.

    Random loss would miss a verdict once in a while. Counting all packets together would lose one kind more
    than another, as data and acknowledgements take turns; what is alike in a train is of one size.
    """

    def __init__(
        self, world: str, host: str, *, world_name: str, delay: float = 0.0, lose_every: int = 0
    ) -> None:
        self._delay = delay
        self._lose_every = lose_every
        self._ends = (open_tun(world, world_name), open_tun(host, "tun0"))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lab-link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        for end in self._ends:
            os.close(end)

    def _run(self) -> None:
        one, other = self._ends
        for source, target in ((one, other), (other, one)):
            self._loop.add_reader(source, self._forward, source, target, Counter())
        self._loop.run_forever()

    def _forward(self, source: int, target: int, seen: Counter[int]) -> None:
        try:
            packet = os.read(source, MTU)
        except OSError:
            return  # the device is down
        seen[len(packet)] += 1
        if self._lose_every and seen[len(packet)] % self._lose_every == 0:
            return
        if self._delay:
            self._loop.call_later(self._delay, _write, target, packet)
        else:
            _write(target, packet)


def open_tun(namespace: str, name: str) -> int:
    """A TUN device in a namespace, as a descriptor that reads and writes IP packets."""
    with inside(namespace):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


def _write(target: int, packet: bytes) -> None:
    try:
        os.write(target, packet)
    except OSError:
        return  # full or gone: lost on the way, as on any line
