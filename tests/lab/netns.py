"""Network namespaces of one test run: named after the process that made them, so that what is stale shows."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "rmt"
NETNS = Path("/run/netns")
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """What is missing for a laboratory here; None where it can be built."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    for command in (["ip", "netns", "list"], ["iptables", "--version"]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"{command[0]} does not work here: {error}"
    return None


class Namespaces:
    """Makes namespaces and takes them away again, with whatever still runs in them."""

    def __init__(self) -> None:
        sweep()
        self._names: list[str] = []

    def make(self, name: str) -> str:
        """A namespace with its loopback up; returns its full name."""
        full = f"{PREFIX}{os.getpid()}-{name}"
        run("ip", "netns", "add", full)
        self._names.append(full)
        run("ip", "-n", full, "link", "set", "lo", "up")
        return full

    def close(self) -> None:
        for name in self._names:
            _delete(name)
        self._names.clear()


def sweep() -> None:
    """Delete the namespaces of runs that were killed before they could."""
    for path in NETNS.glob(f"{PREFIX}*-*") if NETNS.exists() else ():
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _delete(path.name)


def _delete(name: str) -> None:
    found = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True)
    for pid in map(int, found.stdout.split()):
        # Our own threads that are at home in there end with their loops.
        if pid != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def run(*command: str) -> None:
    """Run a command; RuntimeError with what it said if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def configure(namespace: str, *lines: str) -> None:
    """Several `ip` commands in one namespace, in one process."""
    done = subprocess.run(
        ["ip", "-n", namespace, "-batch", "-"],
        input="\n".join(lines),
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"ip in {namespace}: {done.stderr.strip()}")


def firewall(namespace: str, rules: Sequence[str]) -> None:
    """Add iptables rules, each as its arguments."""
    for rule in rules:
        run("ip", "netns", "exec", namespace, "iptables", "-w", *rule.split())


def move_thread(namespace: str) -> None:
    """Move the calling thread for good: its sockets, and those of threads it starts, are at home there."""
    with open(NETNS / namespace, "rb") as handle:
        _enter(handle.fileno())


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Open sockets and devices of a namespace; nothing may be awaited in here."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(NETNS / namespace, "rb") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
