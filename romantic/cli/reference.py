"""run.py routes: the tables the server runs, as they are."""

import argparse


def routes(arguments: argparse.Namespace) -> int:
    from romantic.app import EVENTS, ROUTES

    for route in ROUTES:
        body = type(route.body).__name__ if route.body else "-"
        print(f"{route.method:7}{route.path:42}{route.guard.__name__:11}{route.limit.name:11}{body}")
    for event in EVENTS:
        print(f"event  {event.name:42}{'':11}{event.bucket:11}{type(event.schema).__name__}")
    return 0
