"""Folders for servers: their paths are short, every user may enter, and nothing of them is left behind."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder(prefix: str = "romantic-") -> Iterator[Path]:
    """A new folder under /tmp, gone at the end.

    Unlike pytest's own: root's PostgreSQL runs as nobody, who must get in, and the path of a socket is short.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)
