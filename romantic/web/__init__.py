"""Static pages, served with a strict policy: nothing from elsewhere, no inline script."""

from functools import lru_cache
from pathlib import Path

from aiohttp import web

from romantic.errors import NotFound

HERE = Path(__file__).parent
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


@lru_cache
def _read(name: str) -> bytes:
    path = HERE / name
    if path.suffix not in TYPES or path.parent != HERE or not path.is_file():
        raise NotFound
    return path.read_bytes()


def asset(name: str) -> web.Response:
    """A file of this folder by its bare name; raises NotFound for anything else."""
    body = _read(name)
    return web.Response(body=body, content_type=TYPES[Path(name).suffix], charset="utf-8")


def page(name: str, *, camera: bool = False) -> web.Response:
    response = asset(name)
    response.headers["Content-Security-Policy"] = POLICY
    devices = "camera=(self), microphone=(self)" if camera else "camera=(), microphone=()"
    response.headers["Permissions-Policy"] = devices
    return response
