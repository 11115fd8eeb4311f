"""The canonical lines: exactly the fields of tests/ops/lines.json, in every line of every test."""

import json
from pathlib import Path
from typing import Any

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "ops" / "lines.json").read_text("utf-8"))
COMMON = set(GOLDEN["common"])
#: What the work around a line binds to it; not every line has every one of them.
CONTEXT = set(GOLDEN["context"])
LINES = {name: set(names) for name, names in GOLDEN["lines"].items()}


def faults_of(text: str) -> list[str]:
    """What a canonical line lacks or has beside what was agreed; nothing for any other line."""
    if not any(f'"event":"{name}"' in text for name in LINES):
        return []
    line = json.loads(text)
    agreed = LINES[line["event"]] | COMMON
    lacking, beside = agreed - line.keys(), line.keys() - agreed - CONTEXT
    said = [f"{line['event']} lacks {name}" for name in sorted(lacking)]
    return said + [f"{line['event']} has {name}" for name in sorted(beside)]
