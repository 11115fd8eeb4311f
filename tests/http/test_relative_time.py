"""The words for how long ago something was."""

from datetime import UTC, datetime, timedelta

import pytest

from romantic.http.relative_time import relative

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-30, "just now"),
        (0, "just now"),
        (59.999, "just now"),
        (60, "1 min ago"),
        (119, "1 min ago"),
        (120, "2 min ago"),
        (3599, "59 min ago"),
        (3600, "1 hours ago"),
        (86_399, "23 hours ago"),
        (86_400, "1 days ago"),
        (400 * 86_400, "400 days ago"),
    ],
)
def test_the_largest_whole_unit_is_named(seconds, words):
    assert relative(NOW - timedelta(seconds=seconds), NOW) == words
