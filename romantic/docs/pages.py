"""The pages of the documentation: served by the application itself, nothing of them from elsewhere."""

import asyncio
import html
from functools import lru_cache
from pathlib import Path

from aiohttp import web
from markdown_it import MarkdownIt
from swagger_ui_bundle import swagger_ui_path

from romantic.errors import NotFound, RomanticError
from romantic.web import POLICY, asset

HERE = Path(__file__).parent
API = HERE.parents[1] / "config" / "api"

#: Swagger UI draws its icons from data URLs; everything else is ours.
SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js")
OURS = ("docs.css", "docs.js", "pages.css", "icon.svg")
TYPES = {".css": "text/css", ".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml"}

FRAME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title} · Romantic</title>
<link rel="icon" href="/docs/icon.svg">
<link rel="stylesheet" href="/docs/pages.css">
<link rel="stylesheet" href="/docs/docs.css">
<nav class="bar"><a class="brand" href="/docs">Romantic</a>{links}</nav>
<main class="guide">{body}</main>
</html>
"""


def _page(body: str) -> web.Response:
    response = web.Response(text=body, content_type="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


async def show_reference(_: web.Request) -> web.Response:
    """Swagger UI over the OpenAPI document."""
    response = asset("docs.html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


async def show_guide(request: web.Request) -> web.Response:
    return _page(await asyncio.to_thread(_guide, request.match_info["name"]))


async def show_errors(_: web.Request) -> web.Response:
    return _page(_errors())


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


@lru_cache
def guides() -> dict[str, str]:
    """Name to title of every guide."""
    titles = {}
    for path in sorted(HERE.glob("*.md")):
        if path.stem != "README":
            titles[path.stem] = path.read_text("utf-8").partition("\n")[0].removeprefix("# ").strip()
    return titles


@lru_cache
def _guide(name: str) -> str:
    if name not in guides():
        raise NotFound
    text = (HERE / f"{name}.md").read_text("utf-8")
    # No raw HTML: what is written in a guide is text.
    return _framed(guides()[name], MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


@lru_cache
def _errors() -> str:
    """One paragraph per code, with an anchor, from the registry that the server answers with."""
    rows = [
        f'<section class="card" id="{code}"><h2>{code}</h2><p>{int(error.status)} {error.status.phrase}'
        f"{' · worth a retry' if error.retryable else ''}</p><p>{html.escape(error.__doc__ or '')}</p>"
        f"<p class=quiet>{html.escape(error.message)}</p></section>"
        for code, error in sorted(RomanticError.registry.items())
    ]
    intro = "<p>The same codes serve REST and sockets. Act on the code, never on the text.</p>"
    return _framed("Error codes", "<h1>Error codes</h1>" + intro + "".join(rows))


def _framed(title: str, body: str) -> str:
    pages = {"/docs": "Reference", "/docs/errors": "Error codes"}
    pages |= {f"/docs/guide/{name}": label for name, label in guides().items()}
    links = "".join(f'<a href="{path}">{html.escape(label)}</a>' for path, label in pages.items())
    return FRAME.format(title=html.escape(title), links=links, body=body)


def add_docs(app: web.Application) -> None:
    """Serve the documentation; it describes the API and holds no secret."""
    app.router.add_get("/docs", show_reference)
    app.router.add_get("/docs/errors", show_errors)
    app.router.add_get("/docs/guide/{name}", show_guide)
    app.router.add_get("/docs/{name}", serve_file)
