"""The pagination object of every list."""

from typing import Any


def page_of(*, page: int, page_size: int, total: int) -> dict[str, Any]:
    return {"page": page, "limit": page_size, "total": total, "hasNext": page * page_size < total}
