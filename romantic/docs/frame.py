"""One look for every page: the bar of links, and Markdown as HTML with anchors."""

import html
import re
from itertools import pairwise

from markdown_it import MarkdownIt

#: The pages every page leads to.
LINKS = {
    "/docs": "Reference",
    "/docs/ws": "Sockets",
    "/docs/errors": "Error codes",
    "/docs/guides": "Guides",
}

FRAME = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title} · Romantic</title>
<link rel="icon" href="/docs/icon.svg">
<link rel="stylesheet" href="/docs/pages.css">
<link rel="stylesheet" href="/docs/docs.css">
<nav class="bar pages"><a class="brand" href="/docs">Romantic</a>{links}</nav>
<main class="guide">{body}</main>
</html>
"""


def framed(title: str, body: str) -> str:
    links = "".join(f'<a href="{path}">{label}</a>' for path, label in LINKS.items())
    return FRAME.format(title=html.escape(title), links=links, body=body)


def markdown(text: str) -> str:
    """No raw HTML: what is written is text. Every heading has its words as an anchor, as on GitHub."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for heading, words in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(words.content))
    return str(parser.renderer.render(tokens, parser.options, {}))


def anchor(words: str) -> str:
    return re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
