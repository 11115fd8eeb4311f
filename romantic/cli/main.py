"""The commands of run.py."""

import argparse
import sys
from collections.abc import Callable

from romantic.cli import admin, config, reference
from romantic.settings import SettingsFaulty

EX_CONFIG = 78  # sysexits.h


def main() -> None:
    """Run one command; a faulty configuration is reported whole, without a traceback."""
    arguments = _parser().parse_args(sys.argv[1:] or ["serve"])
    try:
        code = arguments.run(arguments)
    except SettingsFaulty as faulty:
        print("The configuration does not hold:", file=sys.stderr)
        for fault in faulty.faults:
            print(f"  {fault}", file=sys.stderr)
        code = EX_CONFIG
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Romantic: dating and paid calls, realtime first.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add(commands, "serve", _serve, "serve REST and sockets (the default)")
    _add(commands, "migrate", _migrate, "bring the database to the newest migration")
    _add(commands, "demo", _demo, "the story of one paid call, with two real WebRTC clients, step by step")
    _add(commands, "routes", reference.routes, "print every endpoint and socket event")
    bench = _add(commands, "bench", _bench, "compare this server with Express + Socket.IO on this machine")
    bench.add_argument("--seconds", type=int, default=2, help="length of one round")
    bench.add_argument("--runs", type=int, default=5, help="rounds per scenario")
    config.add_to(commands)
    admin.add_to(commands)
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


# Imported when asked for: a command must not pay for what another one needs.


def _serve(arguments: argparse.Namespace) -> int:
    from romantic.cli.serve import serve

    return serve()


def _migrate(arguments: argparse.Namespace) -> int:
    from romantic.cli.stores import migrate_now

    return migrate_now()


def _demo(arguments: argparse.Namespace) -> int:
    from romantic.cli.demo import demo

    return demo()


def _bench(arguments: argparse.Namespace) -> int:
    from romantic.cli.bench import bench

    return bench(seconds=arguments.seconds, runs=arguments.runs)
