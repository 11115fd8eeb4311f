"""The commands of run.py."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from romantic.cli import config
from romantic.cli.faults import CommandFault
from romantic.cli.probe import options as probe_options
from romantic.settings import SettingsFaulty, load_settings

EX_CONFIG = 78  # sysexits.h
EX_USAGE, UNKNOWN = 2, 3  # argparse's, and what a monitoring plugin says when its arguments make no sense


def main() -> None:
    """Run one command; what it cannot do, and a faulty configuration, is said without a traceback."""
    words = sys.argv[1:] or ["serve"]
    arguments = _parser(*words[:2]).parse_args(words)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
    except SettingsFaulty as faulty:
        print("The configuration does not hold:", file=sys.stderr)
        for fault in faulty.faults:
            print(f"  {fault}", file=sys.stderr)
        code = EX_CONFIG
    except CommandFault as fault:
        print(fault, file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read us, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        code = UNKNOWN if sys.argv[1:2] == ["probe"] else EX_USAGE
        self.exit(code, f"{self.prog}: error: {message}\n")


def _parser(command: str = "serve", subject: str | None = None) -> argparse.ArgumentParser:
    """Every command; what `admin` knows only if it is asked for."""
    about = "Romantic: dating and paid calls, realtime first."
    parser = _Parser(prog="run.py", description=about)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add(commands, "serve", _serve, "serve REST and sockets (the default)")
    _add(commands, "migrate", _migrate, "bring the database to the newest migration")
    demo = _add(commands, "demo", _demo, "the story of one paid call between two real phones, step by step")
    where = "a running development server; twice: the caller's and the receiver's node"
    demo.add_argument("--url", action="append", default=[], help=where)
    demo.add_argument("--nodes", type=int, choices=(1, 2), default=1, help="servers of its own to start")
    demo.add_argument("--seconds", type=float, help="how long the two talk: 6, or 12 with --url")
    probe_options.add_to(commands).set_defaults(run=_probe)
    _add(commands, "routes", _routes, "print every endpoint and socket event")
    openapi = _add(commands, "openapi", _openapi, "print the description of the API as OpenAPI")
    openapi.add_argument("--version", choices=("3.1", "3.0"), default="3.1")
    openapi.add_argument("--write", action="store_true", help="bring config/api/ up to date instead")
    bench = _add(commands, "bench", _bench, "compare this server with Express + Socket.IO on this machine")
    questions = ("compare", "discover", "conversations")
    about = "the comparison, or the discovery query at a million people, or messages at ten million"
    bench.add_argument("question", nargs="?", choices=questions, default="compare", help=about)
    bench.add_argument("--seconds", type=int, default=2, help="length of one round")
    bench.add_argument("--runs", type=int, default=5, help="rounds per scenario")
    config.add_to(commands)
    summary = "work on the data: people, reports, calls, ledger, codes, jobs, keys, and the trail of it"
    desk = commands.add_parser("admin", help=summary, description=summary)
    if command == "admin":
        from romantic.cli.admin import add_subjects

        add_subjects(desk, asked=subject)
    return parser


def _add(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


# Imported when asked for: a command must not pay for what another one needs.


def _serve(_: argparse.Namespace) -> int:
    settings = load_settings()  # first: a fault should not wait for everything to be loaded
    from romantic.cli.serve import serve

    return serve(settings)


def _migrate(_: argparse.Namespace) -> int:
    from romantic.cli.stores import migrate_now

    return migrate_now()


def _demo(arguments: argparse.Namespace) -> int:
    from romantic.cli.demo import demo

    return demo(urls=arguments.url, nodes=arguments.nodes, seconds=arguments.seconds)


def _probe(arguments: argparse.Namespace) -> int:
    try:
        options = probe_options.read(arguments)
    except (OSError, ValueError) as fault:
        if arguments.format == "nagios":  # whoever reads that does not see stderr
            print(f"ROMANTIC UNKNOWN - {fault}")
        else:
            print(f"Cannot probe: {fault}", file=sys.stderr)
        return UNKNOWN
    from romantic.cli.probe.command import probe

    return probe(options)


def _routes(_: argparse.Namespace) -> int:
    from romantic.cli.reference import routes

    return routes()


def _openapi(arguments: argparse.Namespace) -> int:
    from romantic.cli.openapi import print_openapi, write_openapi

    return write_openapi() if arguments.write else print_openapi(version=arguments.version)


def _bench(arguments: argparse.Namespace) -> int:
    from romantic.cli.bench import bench

    return bench(arguments.question, seconds=arguments.seconds, runs=arguments.runs)
