"""The pages of the documentation: served by the application itself, nothing of them from elsewhere."""

import asyncio
from functools import lru_cache
from pathlib import Path

from aiohttp import web
from swagger_ui_bundle import swagger_ui_path

from romantic.docs.error_pages import error_index, error_page
from romantic.docs.guides import BUILDING, OPERATING, guide, guide_index, links
from romantic.docs.occurrences import API
from romantic.errors import NotFound
from romantic.web import POLICY, asset

#: Swagger UI draws its icons from data URLs; everything else is ours.
SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js")
OURS = ("docs.css", "docs.js", "pages.css", "icon.svg")
TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}


def _page(body: str) -> web.Response:
    response = web.Response(text=body, content_type="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


async def show_reference(_: web.Request) -> web.Response:
    """Where everything is, and Swagger UI over the OpenAPI document."""
    return _page(await asyncio.to_thread(_reference))


@lru_cache
def _reference() -> str:
    body = asset("docs.html").body
    assert isinstance(body, bytes)
    page = body.decode()
    return page.replace("{building}", links(BUILDING)).replace("{operating}", links(OPERATING))


async def show_guides(_: web.Request) -> web.Response:
    return _page(await asyncio.to_thread(guide_index))


async def show_guide(request: web.Request) -> web.Response:
    return _page(await asyncio.to_thread(guide, request.match_info["name"]))


async def follow_guide(request: web.Request) -> web.Response:
    """The address guides had before; alerts in the field still name it."""
    return web.Response(status=308, headers={"Location": f"/docs/guides/{request.match_info['name']}"})


async def show_errors(_: web.Request) -> web.Response:
    return _page(await asyncio.to_thread(error_index))


async def show_error(request: web.Request) -> web.Response:
    return _page(await asyncio.to_thread(error_page, request.match_info["code"]))


async def serve_file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    body = await asyncio.to_thread(_file, name)
    return web.Response(body=body, content_type=TYPES[Path(name).suffix], charset="utf-8")


@lru_cache
def _file(name: str) -> bytes:
    """One of the few files the pages need; raises NotFound for anything else."""
    if name in SWAGGER:
        return Path(str(swagger_ui_path / name)).read_bytes()
    if name in OURS:
        body = asset(name).body
        assert isinstance(body, bytes)
        return body
    if name in documents():
        return (API / name).read_bytes()
    raise NotFound


@lru_cache
def documents() -> tuple[str, ...]:
    """The descriptions of the API that tools read."""
    return tuple(sorted(path.name for path in API.glob("*.json")))


def add_docs(app: web.Application) -> None:
    """Serve the documentation; it describes the API and holds no secret."""
    app.router.add_get("/docs", show_reference)
    app.router.add_get("/docs/errors", show_errors)
    app.router.add_get("/docs/errors/{code}", show_error)
    app.router.add_get("/docs/guides", show_guides)
    app.router.add_get("/docs/guides/{name}", show_guide)
    app.router.add_get("/docs/guide/{name}", follow_guide)
    app.router.add_get("/docs/{name}", serve_file)
