"""run.py openapi: the description of the API, printed, or written where tools and the /docs pages read it."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "config" / "api"


def texts() -> dict[str, str]:
    """File name to content of every description that is kept with the code."""
    from romantic.app import EVENTS, ROUTES
    from romantic.docs.asyncapi import asyncapi
    from romantic.docs.openapi import openapi

    documents: dict[str, Any] = {
        "openapi.json": openapi(ROUTES, version="3.1.0"),
        "openapi-3.0.json": openapi(ROUTES, version="3.0.3"),
        "asyncapi.json": asyncapi(EVENTS),
    }
    return {name: json.dumps(document, indent=1) + "\n" for name, document in documents.items()}


def print_openapi(*, version: str) -> int:
    print(texts()["openapi-3.0.json" if version == "3.0" else "openapi.json"], end="")
    return 0


def write_openapi() -> int:
    """Bring the files up to date; says which have changed."""
    for name, text in texts().items():
        path = FOLDER / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"wrote {path.name}")
    return 0
