"""CPU time of a process tree, read from Linux' /proc."""

import os
import time


def tree(pid: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_by_pid(pids: list[int]) -> dict[int, float]:
    """Microseconds on CPU of all threads of each process, from a nanosecond source."""
    used = {}
    for pid in pids:
        try:
            used[pid] = sum(_thread(pid, thread) for thread in os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
    return used


def _thread(pid: int, thread: str) -> float:
    with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
        return int(stat.read().split()[0]) / 1000


def cpu_since(before: dict[int, float], root: int) -> float:
    """CPU of root's whole tree since `before`; processes born meanwhile count in full, those gone do not."""
    return sum(used - before.get(pid, 0) for pid, used in cpu_by_pid(tree(root)).items())


def core_busy_us(core: int) -> float:
    with open("/proc/stat") as stat:
        row = next(line.split() for line in stat if line.startswith(f"cpu{core} "))
    return (sum(map(int, row[1:9])) - int(row[4]) - int(row[5])) * 1e6 / os.sysconf("SC_CLK_TCK")


def wait_quiet(core: int, limit: float = 0.3, patience: float = 3.0) -> None:
    """Wait, at most `patience` seconds, until others use less than `limit` of the core."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        busy = core_busy_us(core)
        time.sleep(0.4)
        if (core_busy_us(core) - busy) / 4e5 < limit:
            return
