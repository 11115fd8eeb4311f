"""A small internet: servers with public addresses, and a host behind each kind of network.

`world` holds the servers. Each host has a line to it: directly, through a router that translates addresses
with iptables, or through a link that delays and loses. All addresses are for documentation (RFC 5737) or
private, and nothing leaves the namespaces.
"""

import asyncio
import subprocess
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.lab.link import Link
from tests.lab.netns import Namespaces, configure, firewall, inside, move_thread

SERVER = "198.51.100.1"  # where the application listens
STUN = "198.51.100.2"  # a STUN server elsewhere, without which a symmetric NAT would look like a cone

MASQUERADE = "-t nat -A POSTROUTING -o wan -j MASQUERADE"
UNSOLICITED = "-A INPUT -i wan -m conntrack --ctstate NEW -j DROP"

#: What stands between a host and the world: the iptables rules of its router.
ROUTERS: dict[str, tuple[str, ...]] = {
    "cone": (MASQUERADE, UNSOLICITED),
    "full-cone": (MASQUERADE, "-t nat -A PREROUTING -i wan -p udp -j DNAT --to-destination 10.0.0.2"),
    "symmetric": (f"{MASQUERADE} --random-fully", UNSOLICITED),
    "udp-blocked": (MASQUERADE, "-A FORWARD -p udp -j DROP"),
    "udp-rejected": (MASQUERADE, "-A FORWARD -p udp -j REJECT"),
    "web-only": (
        MASQUERADE,
        "-A FORWARD -p tcp -m multiport --dports 80,443,8080 -j ACCEPT",
        "-A FORWARD -i wan -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "-A FORWARD -j DROP",
    ),
}
#: Hosts with an address of their own on a line that is not a good one.
LINES: dict[str, dict[str, Any]] = {
    "loss": {"lose_every": 20},
    "delay": {"delay": 0.1},
    "far": {"delay": 0.25},
    "loss-and-delay": {"lose_every": 20, "delay": 0.1},
    "heavy-loss": {"lose_every": 5},
    "hopeless": {"lose_every": 4},
}

Result = TypeVar("Result")


class Host:
    """A machine somewhere: what is run on it has its sockets there."""

    def __init__(self, namespace: str, address: str) -> None:
        self.namespace = namespace
        self.address = address

    async def run(self, job: Callable[[], Awaitable[Result]]) -> Result:
        """Run a coroutine function in a thread of this host, on an event loop of its own."""

        def work() -> Result:
            move_thread(self.namespace)
            return asyncio.run(_awaited(job))

        return await _in_thread(work)

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs a program on this host."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program on this host; it ends with the laboratory at the latest."""
        return subprocess.Popen(self.command(*arguments), **options)

    async def call(self, *arguments: str, **options: Any) -> asyncio.subprocess.Process:
        """Start a program on this host, to be talked with."""
        return await asyncio.create_subprocess_exec(*self.command(*arguments), **options)


class Lab:
    """The world, and hosts that are made as they are asked for."""

    def __init__(self) -> None:
        self._namespaces = Namespaces()
        self._links: list[Link] = []
        self._hosts: dict[str, Host] = {}
        self.world = self._namespaces.make("world")
        configure(self.world, f"addr add {SERVER}/32 dev lo", f"addr add {STUN}/32 dev lo")

    def server(self) -> Host:
        """The machine the servers are on."""
        return Host(self.world, SERVER)

    def host(self, kind: str) -> Host:
        """A host on the open internet ("open"), behind a router of ROUTERS or on a line of LINES."""
        if kind not in self._hosts:
            self._hosts[kind] = self._make(kind, len(self._hosts))
        return self._hosts[kind]

    def inside_world(self) -> Any:
        """Open listening sockets in the world; nothing may be awaited meanwhile."""
        return inside(self.world)

    def close(self) -> None:
        for link in self._links:
            link.close()
        self._namespaces.close()

    def _make(self, kind: str, number: int) -> Host:
        near, far = f"203.0.113.{4 * number + 1}", f"203.0.113.{4 * number + 2}"
        if kind in ROUTERS:
            return self._behind_router(kind, f"w{number}", near, far, ROUTERS[kind])
        host = self._namespaces.make(kind)
        if kind in LINES:
            self._links.append(Link(self.world, host, world_name=f"t{number}", **LINES[kind]))
            device, at_home = f"t{number}", "tun0"
        else:
            device, at_home = f"w{number}", "eth0"
            configure(self.world, f"link add {device} type veth peer name {at_home} netns {host}")
        _address(self.world, device, near)
        _address(host, at_home, far)
        configure(host, f"route add default via {near}")
        return Host(host, far)

    def _behind_router(self, kind: str, device: str, near: str, far: str, rules: Sequence[str]) -> Host:
        router, host = self._namespaces.make(f"{kind}-r"), self._namespaces.make(kind)
        configure(self.world, f"link add {device} type veth peer name wan netns {router}")
        configure(router, f"link add lan type veth peer name eth0 netns {host}")
        _address(self.world, device, near)
        _address(router, "wan", far)
        _address(router, "lan", "10.0.0.1")
        _address(host, "eth0", "10.0.0.2")
        configure(router, f"route add default via {near}")
        configure(host, "route add default via 10.0.0.1")
        with inside(router):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        firewall(router, rules)
        return Host(host, "10.0.0.2")


def _address(namespace: str, device: str, address: str) -> None:
    configure(namespace, f"addr add {address}/30 dev {device}", f"link set {device} up")


async def _awaited(job: Callable[[], Awaitable[Result]]) -> Result:
    return await job()


async def _in_thread(work: Callable[[], Result]) -> Result:
    """A thread for this one job: a pooled one would carry its namespace to the next."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def target() -> None:
        try:
            result = work()
        except BaseException as error:
            loop.call_soon_threadsafe(_settle, done, None, error)
        else:
            loop.call_soon_threadsafe(_settle, done, result, None)

    threading.Thread(target=target, name="lab-host", daemon=True).start()
    return await done


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
