"""The command line of run.py probe, and what it means."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from romantic.cli.probe.figures import THRESHOLDS, Thresholds
from romantic.cli.probe.target import Target

KEYS_VARIABLE, TOKEN_VARIABLE = "ROMANTIC_PROBE_KEYS", "ROMANTIC_PROBE_TOKEN"
#: As `course.py` has them; this module must load without what they need.
STEPS = (
    "dns", "tcp", "tls", "health", "auth", "socket", "socket-rtt", "ice-servers", "stun", "turn", "ice",
    "dtls", "data", "resume", "call", "audio", "video", "hang-up", "meter", "ledger", "cleanup",
)  # fmt: skip
SKIPPABLE = tuple(name for name in STEPS if name not in ("dns", "tcp", "auth", "hang-up", "cleanup"))
MOST_RUNS = 10_000
FILES = {
    "json": "config/api/probe.schema.json describes it",
    "junit": "for build servers",
    "prom": "for node_exporter's textfile collector",
    "html": "with plots, in one file without scripts",
}

ABOUT = """\
Climb the ladder to a running server, from its name to a whole paid call, and say at each step what
holds, what does not, why, and what to do about it. Two probe accounts call each other and nobody
else; their coins come back."""

EPILOG = """\
exit codes: 0 all well, 1 a warning, 2 critical, 3 unknown (wrong arguments, a fault of this machine, stopped)

run.py admin probe-account create east west > keys        beside the server, once
run.py probe https://api.example.com --keys keys          what a person reads
run.py probe https://api.example.com --keys keys --format nagios --html report.html --prom probe.prom"""


@dataclass(frozen=True, slots=True)
class Options:
    """One command, read and found sound."""

    target: Target
    keys: Sequence[str]
    token: str
    number: str
    code: str
    authority: Path | None
    talk: float
    video: bool
    left_out: Sequence[str]
    seconds: float
    thresholds: Thresholds
    repeat: int
    interval: float
    format: str
    files: dict[str, Path]


def add_to(commands: Any) -> argparse.ArgumentParser:
    summary = "check a running server from its name to a paid call, for people and monitoring"
    parser: argparse.ArgumentParser = commands.add_parser(
        "probe",
        help=summary,
        usage="run.py probe URL [options]",
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="where the API lives; https unless it says http://")
    _add_identity(parser.add_argument_group("who probes (nobody: the steps without an account)"))
    _add_attempt(parser.add_argument_group("what is tried"))
    _add_thresholds(parser.add_argument_group("from where it is a warning, from where critical"))
    _add_report(parser)
    return parser


def _add_identity(group: Any) -> None:
    group.add_argument("--keys", type=Path, metavar="FILE", help=f"of probe accounts, or {KEYS_VARIABLE}")
    group.add_argument("--token", help=f"a person's access token, or {TOKEN_VARIABLE}: all but the call")
    group.add_argument("--phone", default="", help="a person's number, with --otp: all but the call")
    group.add_argument("--otp", default="", help="the one-time code of --phone")


def _add_attempt(group: Any) -> None:
    group.add_argument(
        "--talk", type=_seconds(1, 600), default=12.0, metavar="S", help="length of the call (12)"
    )
    group.add_argument("--video", action="store_true", help="a video call instead of an audio one")
    group.add_argument("--skip", type=_steps, default=(), metavar="A,B", help="steps to leave out")
    group.add_argument("--ca", type=Path, metavar="FILE", help="trust this authority, too")
    group.add_argument(
        "--timeout", type=_seconds(1, 3600), default=60.0, metavar="S", help="for a whole run (60)"
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    many = parser.add_argument_group("more than once")
    many.add_argument(
        "--repeat", type=_count, default=1, metavar="N", help="runs, with percentiles at the end"
    )
    many.add_argument(
        "--interval", type=_seconds(0, 86_400), default=60.0, metavar="S", help="from start to start (60)"
    )
    told = parser.add_argument_group("how it is told")
    told.add_argument("--format", choices=("table", "nagios", "json"), default="table", help="on stdout")
    for name, about in FILES.items():
        told.add_argument(f"--{name}", type=Path, metavar="FILE", help=about)


def _add_thresholds(group: Any) -> None:
    for one in THRESHOLDS:
        unit = f" {one.unit}" if one.unit else ""
        for word, value in (("warn", one.warn), ("critical", one.critical)):
            about = f"{one.about} ({value:g}{unit})" if word == "warn" else f"({value:g}{unit})"
            group.add_argument(
                f"--{one.name}-{word}", type=float, default=value, metavar="N", help=about.replace("%", "%%")
            )


def read(arguments: argparse.Namespace) -> Options:
    """Raises ValueError with a sentence, OSError for a file that cannot be read."""
    keys, token = _credentials(arguments)
    if arguments.ca is not None and not arguments.ca.is_file():
        raise ValueError(f"{arguments.ca} is no file")
    files = {name: getattr(arguments, name) for name in FILES}
    return Options(
        target=Target.read(arguments.url),
        keys=keys,
        token=token,
        number=arguments.phone,
        code=arguments.otp,
        authority=arguments.ca,
        talk=arguments.talk,
        video=arguments.video,
        left_out=arguments.skip,
        seconds=arguments.timeout,
        thresholds=_thresholds(arguments),
        repeat=arguments.repeat,
        interval=arguments.interval,
        format=arguments.format,
        files={name: path for name, path in files.items() if path is not None},
    )


def _credentials(arguments: argparse.Namespace) -> tuple[list[str], str]:
    """Keys and token: what the command line gives, else what the environment does."""
    keys = _keys(arguments)
    token = arguments.token or ("" if keys or arguments.phone else os.environ.get(TOKEN_VARIABLE, ""))
    if sum(map(bool, (keys, token, arguments.phone))) > 1:
        raise ValueError("one of --keys, --token and --phone")
    if bool(arguments.phone) != bool(arguments.otp):
        raise ValueError("--phone and --otp go together")
    return keys, token


def _keys(arguments: argparse.Namespace) -> list[str]:
    """One or two, each the last word of its line; the variable counts where nothing else is given."""
    if arguments.keys is not None:
        text, where = arguments.keys.read_text("utf-8"), str(arguments.keys)
    elif arguments.token or arguments.phone:
        return []
    else:
        text, where = os.environ.get(KEYS_VARIABLE, "").replace(",", "\n"), KEYS_VARIABLE
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    keys = [row[-1] for row in rows]
    if len(keys) > 2 or (arguments.keys is not None and not keys):
        raise ValueError(f"{where} has {len(keys)} keys instead of one or two")
    return keys


def _thresholds(arguments: argparse.Namespace) -> Thresholds:
    found = {}
    for one in THRESHOLDS:
        name = one.name.replace("-", "_")
        limits = {word: getattr(arguments, f"{name}_{word}") for word in ("warn", "critical")}
        found[one.name] = replace(one, **limits)
        if not found[one.name].is_ordered:
            side = "below" if one.low else "above"
            raise ValueError(f"--{one.name}-critical is not {side} --{one.name}-warn")
    return found


def _steps(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := [name for name in names if name not in SKIPPABLE]:
        raise argparse.ArgumentTypeError(f"no step {unknown[0]!r}; there are {', '.join(SKIPPABLE)}")
    return names


def _count(text: str) -> int:
    if not 1 <= int(text) <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f"between 1 and {MOST_RUNS}")
    return int(text)


def _seconds(least: float, most: float) -> Any:
    def seconds(text: str) -> float:
        if not least <= float(text) <= most:
            raise argparse.ArgumentTypeError(f"between {least:g} and {most:g} seconds")
        return float(text)

    return seconds
