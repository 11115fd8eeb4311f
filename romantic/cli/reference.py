"""run.py routes: the tables the server runs, as they are."""


def routes() -> int:
    from romantic.app import EVENTS, ROUTES

    names = [route.path for route in ROUTES] + [event.name for event in EVENTS]
    width = max(map(len, names)) + 2
    for route in ROUTES:
        body = type(route.body).__name__ if route.body else "-"
        print(f"{route.method:8}{route.path:{width}}{route.guard.__name__:12}{route.limit.name:12}{body}")
    for event in EVENTS:
        print(f"{'event':8}{event.name:{width}}{'':12}{event.bucket:12}{type(event.schema).__name__}")
    return 0
