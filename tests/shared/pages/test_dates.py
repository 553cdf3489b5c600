"""Times in the reader's language, with the exact instant beside them."""

from datetime import UTC, datetime

import pytest

from shared.pages import Dates, MaskedCode, Moment
from tests.shared.moments import UNTELLABLE_MOMENTS

AT = datetime(2027, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("accept_language", "words"),
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
def test_a_time_is_written_in_the_language_of_the_request_and_marked_as_utc(
    accept_language: str | None, words: str
) -> None:
    assert Dates.for_languages(accept_language).of(AT).replace("\u202f", " ") == words


def test_the_exact_instant_is_in_the_page() -> None:
    html = str(Dates.for_languages("de").html(("Am ", Moment(AT), ".")))
    assert 'datetime="2027-03-01T12:30:00.000Z"' in html
    assert 'title="2027-03-01T12:30:00.000Z"' in html
    assert 'lang="de"' in html


@pytest.mark.parametrize("moment", UNTELLABLE_MOMENTS)
def test_a_recorded_time_that_utc_cannot_tell_is_shown_all_the_same(moment: datetime) -> None:
    """R-134."""
    assert f">{moment.day} " in str(Dates.for_languages("en").html((Moment(moment),)))


def test_every_part_of_a_text_is_escaped() -> None:
    assert str(Dates.for_languages(None).html(("<b>&",))) == "&lt;b&gt;&amp;"
    assert "•••••-•••••-•••••-7QX2M" in str(Dates.for_languages(None).html((MaskedCode("7QX2M"),)))
