"""/admin: the moderators' page. The page itself is no secret; everything it shows comes from /api/admin."""

from aiohttp import web

from romantic.errors import NotFound
from romantic.web import asset, page

#: What the page is made of; nothing else of the folder is served in production.
FILES = (
    "admin.css",
    "admin.js",
    "admin_api.js",
    "admin_plots.js",
    "admin_queue.js",
    "admin_report.js",
    "admin_say.js",
    "admin_tables.js",
    "admin_views.js",
    "pages.css",
    "icon.svg",
)


async def show(_: web.Request) -> web.Response:
    return page("admin.html")


async def serve_file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in FILES:
        raise NotFound
    return asset(name)


def add_pages(app: web.Application) -> None:
    app.router.add_get("/admin", show)
    app.router.add_get("/admin/{name}", serve_file)
