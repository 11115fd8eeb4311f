"""http/multipart.py: forms as written come back, everything else is a BadRequest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from romantic.errors import BadRequest
from romantic.http.multipart import MOST_PARTS, Part, boundary_of, parse

BOUNDARY = b"----WebKitFormBoundaryAbC123"
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters='"\\\r\n', exclude_categories=["Cc"]), min_size=1
)
BODIES = st.binary().filter(lambda body: BOUNDARY not in body)
PARTS = st.lists(st.builds(Part, NAMES, st.booleans(), BODIES), max_size=MOST_PARTS)


def written(parts):
    """The form as a browser writes it."""
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\nContent-Type: text/plain\r\n\r\n%s\r\n'
        % (BOUNDARY, part.name.encode(), b'; filename="x; name=\\"y\\""' if part.is_file else b"", part.body)
        for part in parts
    )
    return body + b"--%s--\r\n" % BOUNDARY


@given(PARTS)
def test_what_was_written_is_read(parts):
    assert parse(written(parts), BOUNDARY) == parts


@given(PARTS.filter(bool), st.data())
def test_a_form_cut_short_is_refused(parts, data):
    whole = written(parts)
    most = len(whole) - len(b"--\r\n") - 1
    cut = data.draw(st.integers(0, most))

    with pytest.raises(BadRequest):
        parse(whole[:cut], BOUNDARY)


@given(st.lists(st.sampled_from([b"--" + BOUNDARY, b"\r\n", b"--", b" ", b"x", b'; name="a"', b"\r\n\r\n", b"\0", b"\xff",
                                 b"Content-Disposition: form-data"]), max_size=40))  # fmt: skip
def test_any_other_order_of_the_same_bits_is_a_form_or_refused(bits):
    assert is_read_or_refused(b"".join(bits))


def is_read_or_refused(body):
    try:
        return len(parse(body, BOUNDARY)) <= MOST_PARTS
    except BadRequest:
        return True


def test_a_fifth_part_is_refused():
    parts = [Part(f"part{number}", False, b"x") for number in range(MOST_PARTS + 1)]

    with pytest.raises(BadRequest, match="at most"):
        parse(written(parts), BOUNDARY)


def test_a_boundary_inside_a_line_is_content():
    part = Part("image", True, b"x--" + BOUNDARY + b"\r\n--" + BOUNDARY[:-1] + b"\r\n")

    assert parse(written([part]), BOUNDARY) == [part]


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('multipart/form-data; boundary="a:b/c"', b"a:b/c"),
        ("multipart/form-data;charset=utf-8;Boundary=abc ; x=y", b"abc"),
        ("multipart/form-data; boundary=" + "a" * 70, b"a" * 70),
    ],
)
def test_boundaries_that_are_read(header, boundary):
    assert boundary_of(header) == boundary


@pytest.mark.parametrize("value", ["", '""', '"abc', "a" * 71, "a b", "a\tb", "ä", "a{b", '"a"b"'])
def test_boundaries_that_are_refused(value):
    with pytest.raises(BadRequest):
        boundary_of(f"multipart/form-data; boundary={value}")
