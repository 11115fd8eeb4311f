"""How long ago something was, in the fixed words that clients know."""

from datetime import datetime

MINUTE = 60
HOUR = 3600
DAY = 86_400


def relative(then: datetime, now: datetime) -> str:
    """`just now`, `N min ago`, `N hours ago` or `N days ago`, rounded down; the future is just now."""
    seconds = int((now - then).total_seconds())
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min ago"
    if seconds < DAY:
        return f"{seconds // HOUR} hours ago"
    return f"{seconds // DAY} days ago"
