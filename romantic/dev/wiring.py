"""What a development server has beside the product: outbox, till and demo call. Never in production."""

from aiohttp import web

from romantic.dev.admob import add_admob
from romantic.dev.aws import add_aws
from romantic.dev.demo import add_demo
from romantic.dev.fcm import add_fcm
from romantic.dev.moods import add_moods
from romantic.dev.outbox import add_outbox
from romantic.dev.sockets import add_sockets
from romantic.dev.stripe import add_stripe
from romantic.web import asset


async def serve_asset(request: web.Request) -> web.Response:
    return asset(request.match_info["name"])


def add_development(app: web.Application) -> None:
    add_moods(app)
    add_outbox(app)
    add_aws(app)
    add_fcm(app)
    add_admob(app)
    add_demo(app)
    add_stripe(app)
    add_sockets(app)
    app.router.add_get("/web/{name}", serve_asset)
