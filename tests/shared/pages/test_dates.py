"""Times in the reader's language, with the exact instant beside them."""

from datetime import UTC, datetime

import pytest

from shared.pages import Dates, Masked, Moment

AT = datetime(2027, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, "1 March 2027, 12:30 UTC"),
        ("en", "1 March 2027, 12:30 UTC"),
        ("en-US,en;q=0.9", "March 1, 2027, 12:30 PM UTC"),
        ("de-AT, en;q=0.5", "1. März 2027, 12:30 UTC"),
        ("en;q=0.5, fr", "1 mars 2027, 12:30 UTC"),
        ("xx-unknown, de", "1. März 2027, 12:30 UTC"),
        ("*", "1 March 2027, 12:30 UTC"),
        ("../../etc/passwd, ;q=, de;q=x", "1. März 2027, 12:30 UTC"),
        ("a" * 10_000, "1 March 2027, 12:30 UTC"),
    ],
)
def test_in_the_language_of_the_request_and_said_to_be_utc(asked: str | None, words: str) -> None:
    assert Dates.asked(asked).of(AT).replace("\u202f", " ") == words


def test_the_exact_instant_is_in_the_page() -> None:
    drawn = str(Dates.asked("de").html(("Am ", Moment(AT), ".")))
    assert 'datetime="2027-03-01T12:30:00.000Z"' in drawn
    assert 'title="2027-03-01T12:30:00.000Z"' in drawn
    assert 'lang="de"' in drawn


def test_whatever_is_told_is_escaped() -> None:
    assert str(Dates.asked(None).html(("<b>&",))) == "&lt;b&gt;&amp;"
    assert "•••••-•••••-•••••-7QX2M" in str(Dates.asked(None).html((Masked("7QX2M"),)))
