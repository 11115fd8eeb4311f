"""GET /docs/ws: the AsyncAPI document drawn, and a console that speaks with this very server."""

from aiohttp import web

from romantic.errors import NotFound
from romantic.web import asset, page

FILES = ("ws.css", "ws.js", "ws_frames.js", "ws_line.js", "ws_reference.js", "api.js")


async def serve_file(request: web.Request) -> web.Response:
    """One of the page's own files; raises NotFound for anything else."""
    name = request.match_info["name"]
    if name not in FILES:
        raise NotFound
    return asset(name)


def add_sockets_page(app: web.Application, *, demo: bool) -> None:
    """Serve the page; `demo`: one connects as a demo person instead of by a token."""

    async def show(_: web.Request) -> web.Response:
        response = page("ws.html")
        if demo:
            assert isinstance(response.body, bytes)
            response.body = response.body.replace(b'data-demo="no"', b'data-demo="yes"')
        return response

    app.router.add_get("/docs/ws", show)
    app.router.add_get("/docs/ws/{name}", serve_file)
