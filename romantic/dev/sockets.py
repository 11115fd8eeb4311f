"""POST /dev/sockets/cut: what a tunnel does to a phone, for those who try the sockets out."""

from aiohttp import web

from romantic.errors import Unauthorized
from romantic.http import AUTHENTICATE, bearer_token, ok
from romantic.realtime import HUB


async def cut(request: web.Request) -> web.Response:
    """Cut the sockets of the session that asks: no close frame, no goodbye."""
    token = bearer_token(request)
    if token is None:
        raise Unauthorized
    principal = await request.app[AUTHENTICATE](request.app, token)
    own = request.app[HUB].sockets_of(principal.id)
    sockets = [socket for socket in own if socket.session_id == principal.session_id]
    for socket in sockets:
        socket.cut()
    return ok({"cut": len(sockets)}, "Cut")


def add_sockets(app: web.Application) -> None:
    app.router.add_post("/dev/sockets/cut", cut)
