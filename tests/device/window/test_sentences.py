"""The words of the window: every word of the catalogue has its sentence, in the catalogue's own words."""

from typing import get_args

import pytest

from services.device.projection import Asked, Refusal
from services.device.window.links import Why
from services.device.window.sentences import closed, not_opened, of_notices, of_refusal, of_slot
from services.device.window.sentences.closed import CLOSED
from services.device.window.sentences.refused import HAPPENED, why_unavailable
from shared.messages import Notice, Reason
from shared.pages import Masked, Moment, plain, text
from shared.reasons import EXPLAINED_NOTICES, EXPLAINED_REASONS
from tests.device.window.samples import NAMED, shown
from tests.scenarios import END, NOON


@pytest.mark.parametrize("what", HAPPENED)
@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_refusal_has_its_sentence(reason: Reason, what: Asked) -> None:
    """R-19: the catalogue's words, and what they mean here."""
    refusal = Refusal(what=what, reason=reason, refused_at=NOON, last_group="7QX2M")
    said, entry = of_refusal(refusal), EXPLAINED_REASONS[reason]
    assert entry.meaning in plain(said.happened)
    assert plain(said.to_do) == entry.what_to_do
    assert plain(said.follows).endswith(".")
    assert (Masked("7QX2M") in said.happened) == (what == "add")


@pytest.mark.parametrize("notice", get_args(Notice))
def test_every_notice_has_its_sentence(notice: Notice) -> None:
    """R-03, R-28, R-29, R-30, R-73, R-78."""
    reserve = shown(*NAMED["active, ready"]).view.device.reserve
    assert reserve is not None
    noticed = reserve.but(notices=(notice,), devices_left_out=3, started_at=NOON)
    (said,) = of_notices(noticed)
    assert plain(said.happened).startswith(EXPLAINED_NOTICES[notice].meaning)
    assert plain(said.to_do) == EXPLAINED_NOTICES[notice].what_to_do
    assert plain(said.follows).endswith(".")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_refused_code_says_why_and_that_nothing_is_spent(reason: Reason) -> None:
    """R-46, R-51."""
    reserve = shown(*NAMED["expired, refused"]).view.device.reserve
    assert reserve is not None
    said = of_slot(reserve.but(reason=reason), takes_over_at=None, in_force=False)
    assert EXPLAINED_REASONS[reason].meaning in plain(said.happened)
    assert "Nothing of it is spent" in plain(said.follows)


def test_a_refusal_with_a_time_says_from_when_on() -> None:
    """R-56."""
    refusal = Refusal(what="activation", reason="not_expired", refused_at=NOON, available_at=END)
    assert Moment(END) in of_refusal(refusal).follows


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_why_activate_now_is_unavailable_is_told(reason: Reason) -> None:
    """R-55 to R-58."""
    assert Moment(END) in why_unavailable(reason, END)
    assert plain(why_unavailable(reason, None)).endswith(".")


def test_the_delay_of_an_attempt_is_told_by_its_cause() -> None:
    """R-49, R-70."""
    reserve = shown(*NAMED["expired, retrying"]).view.device.reserve
    assert reserve is not None
    told = {
        plain(of_slot(reserve.but(delay=delay), takes_over_at=None, in_force=False).happened)
        for delay in ("purchase_pending", "renewal_due", "no_answer")
    }
    assert len(told) == 3


@pytest.mark.parametrize("why", get_args(Why))
@pytest.mark.parametrize("what", ["link", "session"])
def test_every_link_and_session_that_opens_nothing_says_what_to_do(what: str, why: Why) -> None:
    told = not_opened(what, why)  # type: ignore[arg-type]
    assert told.status in (401, 403)
    assert all(words.endswith(".") for words in (told.happened, told.follows, told.to_do))


@pytest.mark.parametrize("word", CLOSED)
def test_every_failure_has_its_page(word: str) -> None:
    told = closed(word)  # type: ignore[arg-type]
    assert told.status >= 400
    assert all(words.endswith(".") for words in (told.happened, told.follows, told.to_do))


def test_a_sentence_keeps_its_times_as_times() -> None:
    assert text("It ends on {at}, {count} times.", at=END, count=2) == (
        "It ends on ",
        Moment(END),
        ", ",
        "2",
        " times.",
    )
