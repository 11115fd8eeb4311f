"""One page per error code, from the registry that the server answers with."""

import html
import json
import re
from functools import lru_cache
from pathlib import Path

from romantic.docs.components import refusal_example
from romantic.docs.frame import framed, markdown
from romantic.docs.occurrences import Place, events, operations
from romantic.docs.refusals import catalogue
from romantic.errors import NotFound, RomanticError

HAND_WRITTEN = Path(__file__).parent / "errors.md"

#: More places than this are "nearly every operation".
MOST_PLACES = 40


@lru_cache
def advice() -> dict[str, str]:
    """Code to what an app does about it, as Markdown."""
    _, *parts = re.split(r"^## ", HAND_WRITTEN.read_text("utf-8"), flags=re.MULTILINE)
    return {code: text.strip() for code, _, text in (part.partition("\n") for part in parts)}


@lru_cache
def error_index() -> str:
    rows = [
        f'<tr id="{code}"><td><a href="/docs/errors/{code}">{code.replace("_", "_<wbr>")}</a></td>'
        f"<td>{int(error.status)}</td><td>{html.escape(meaning(error))}</td></tr>"
        for code, error in catalogue().items()
    ]
    intro = "<p>The same codes serve REST and sockets. Act on the code, never on the text.</p>"
    head = "<tr><th>Code<th>Status<th>Meaning</tr>"
    table = f'<div class="scroll"><table class="codes">{head}{"".join(rows)}</table></div>'
    return framed("Error codes", "<h1>Error codes</h1>" + intro + table)


@lru_cache(256)
def error_page(code: str) -> str:
    """Meaning, what to do, where, and the body; raises NotFound."""
    error = catalogue().get(code)
    if error is None:
        raise NotFound
    body = html.escape(json.dumps(refusal_example(error), indent=2))
    retry = "worth a retry" if error.retryable else "not to be sent again unchanged"
    return framed(
        code,
        f"<h1>{code}</h1><p>{html.escape(meaning(error))}</p>"
        f'<p class="quiet">{int(error.status)} {error.status.phrase} · {retry}</p>'
        f"<h2>What the app does</h2>{markdown(advice()[code])}"
        f"<h2>Where it occurs</h2>{_places(operations().get(code, []), events(code))}"
        f'<h2>Example</h2><pre>{body}</pre><p><a href="/docs/errors">All error codes</a></p>',
    )


def meaning(error: type[RomanticError]) -> str:
    """The first paragraph of its docstring, without the marks of code."""
    return " ".join((error.__doc__ or "").partition("\n\n")[0].split()).replace("`", "")


def _places(found: list[Place], names: list[str]) -> str:
    if len(found) > MOST_PLACES:
        found = [Place("nearly every operation", "/docs#reference")]
    rows = [f'<li><a href="{place.link}">{html.escape(place.title)}</a></li>' for place in found]
    rows += [f'<li><a href="/docs/ws#{name}">the event {name}</a></li>' for name in names]
    return f"<ul>{''.join(rows)}</ul>" if rows else "<p>Before a request has found its address.</p>"
