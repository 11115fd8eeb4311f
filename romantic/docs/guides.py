"""The guides: Markdown files that are pages."""

import html
from functools import lru_cache
from pathlib import Path

from romantic.docs.frame import framed, markdown
from romantic.errors import NotFound

HERE = Path(__file__).parent

#: In the order in which they are read. The last two stand beside this file: a command writes the one, alerts
#: lead to the other.
BUILDING = ("quickstart", "sockets", "calls", "coins", "push", "probes")
OPERATING = ("deploy", "security", "upgrade", "configuration", "runbook")


def file_of(name: str) -> Path:
    """Raises NotFound."""
    if name not in BUILDING + OPERATING:
        raise NotFound
    written = HERE / "guides" / f"{name}.md"
    return written if written.exists() else HERE / f"{name}.md"


@lru_cache
def title_of(name: str) -> str:
    return file_of(name).read_text("utf-8").partition("\n")[0].removeprefix("# ").strip()


@lru_cache
def guide(name: str) -> str:
    """The page of a guide; raises NotFound."""
    return framed(title_of(name), markdown(file_of(name).read_text("utf-8")))


@lru_cache
def guide_index() -> str:
    parts = {"Build an app": BUILDING, "Operate a server": OPERATING}
    lists = (f"<h2>{part}</h2><ul>{links(names)}</ul>" for part, names in parts.items())
    return framed("Guides", "<h1>Guides</h1>" + "".join(lists))


def links(names: tuple[str, ...]) -> str:
    rows = (f'<li><a href="/docs/guides/{name}">{html.escape(title_of(name))}</a></li>' for name in names)
    return "".join(rows)
