"""Header fields as HTTP means them."""

import pytest

from shared.doors.header_fields import read_fields, unquoted


@pytest.mark.parametrize("sent", [b"abc", b"abc ", b"abc\t", b"\t abc \t"])
def test_blanks_around_a_value_are_not_part_of_it(sent: bytes) -> None:
    """R-142: RFC 9110, 5.5, for every header."""
    assert read_fields([(b"idempotency-key", sent), (b"x-any", sent)]) == [
        (b"idempotency-key", b"abc"),
        (b"x-any", b"abc"),
    ]


def test_the_lines_of_a_list_are_one() -> None:
    """RFC 9110, 5.3. What is no list stays as it is."""
    sent = [(b"if-match", b'"1-a"'), (b"cookie", b"a=1"), (b"if-match", b'"2-b" '), (b"cookie", b"b=2")]
    assert read_fields(sent) == [(b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"if-match", b'"1-a", "2-b"')]


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ('"abc"', "abc"),
        ("abc", "abc"),
        (r'"a\"b\\c"', r'a"b\c'),
        ('""', ""),
        ('"abc', '"abc'),
        ('a"b"', 'a"b"'),
        (r'"a\b"', r'"a\b"'),
    ],
)
def test_a_quoted_string_is_its_content(value: str, content: str) -> None:
    """R-142: RFC 9651, 3.3.3."""
    assert unquoted(value) == content
