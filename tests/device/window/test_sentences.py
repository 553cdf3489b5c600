"""The window's texts: every reason and notice of the catalogue has its sentence, in the catalogue's words."""

from typing import get_args

import pytest

from services.device.projection import Asked, Refusal
from services.device.window.links import NotOpenedReason
from services.device.window.sentences import (
    error_page,
    not_opened_page,
    notice_messages,
    refusal_message,
    reserve_message,
)
from services.device.window.sentences.errors import ERROR_PAGES
from services.device.window.sentences.refusals import HAPPENED, why_unavailable
from shared.messages import Notice, Reason
from shared.pages import MaskedCode, Moment, plain, text
from shared.reasons import EXPLAINED_NOTICES, EXPLAINED_REASONS
from tests.device.window.samples import NAMED, shown
from tests.scenarios import END, NOON


@pytest.mark.parametrize("what", HAPPENED)
@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_refusal_has_its_sentence(reason: Reason, what: Asked) -> None:
    """R-19: the catalogue's sentences, and what they mean here."""
    refusal = Refusal(what=what, reason=reason, refused_at=NOON, last_group="7QX2M")
    message, entry = refusal_message(refusal), EXPLAINED_REASONS[reason]
    assert entry.meaning in plain(message.happened)
    assert plain(message.to_do) == entry.what_to_do
    assert plain(message.follows).endswith(".")
    assert (MaskedCode("7QX2M") in message.happened) == (what == "add")


@pytest.mark.parametrize("notice", get_args(Notice))
def test_every_notice_has_its_sentence(notice: Notice) -> None:
    """R-03, R-28, R-29, R-30, R-73, R-78."""
    reserve = shown(*NAMED["active, ready"]).view.device.reserve
    assert reserve is not None
    with_notice = reserve.but(notices=(notice,), devices_left_out=3, started_at=NOON)
    (message,) = notice_messages(with_notice)
    assert plain(message.happened).startswith(EXPLAINED_NOTICES[notice].meaning)
    assert plain(message.to_do) == EXPLAINED_NOTICES[notice].what_to_do
    assert plain(message.follows).endswith(".")


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_refused_code_says_why_and_that_it_was_not_used(reason: Reason) -> None:
    """R-46, R-51."""
    reserve = shown(*NAMED["expired, refused"]).view.device.reserve
    assert reserve is not None
    message = reserve_message(reserve.but(reason=reason), takes_over_at=None, in_force=False)
    assert EXPLAINED_REASONS[reason].meaning in plain(message.happened)
    assert "has not been used" in plain(message.follows)


def test_a_refusal_with_a_time_says_when_it_becomes_possible() -> None:
    """R-56."""
    refusal = Refusal(what="activation", reason="not_expired", refused_at=NOON, available_at=END)
    assert Moment(END) in refusal_message(refusal).follows


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_why_activate_now_is_unavailable_has_its_sentence(reason: Reason) -> None:
    """R-55 to R-58."""
    assert Moment(END) in why_unavailable(reason, END)
    assert plain(why_unavailable(reason, None)).endswith(".")


def test_each_cause_of_a_delayed_attempt_has_its_own_sentence() -> None:
    """R-49, R-70."""
    reserve = shown(*NAMED["expired, retrying"]).view.device.reserve
    assert reserve is not None
    messages = {
        plain(reserve_message(reserve.but(delay=delay), takes_over_at=None, in_force=False).happened)
        for delay in ("purchase_pending", "renewal_due", "no_answer")
    }
    assert len(messages) == 3


@pytest.mark.parametrize("reason", get_args(NotOpenedReason))
@pytest.mark.parametrize("what", ["link", "session"])
def test_every_link_and_session_that_is_not_valid_says_what_to_do(what: str, reason: NotOpenedReason) -> None:
    page = not_opened_page(what, reason)  # type: ignore[arg-type]
    assert page.status in (401, 403)
    assert all(words.endswith(".") for words in (page.happened, page.follows, page.to_do))


@pytest.mark.parametrize("failure", ERROR_PAGES)
def test_every_failure_has_its_page(failure: str) -> None:
    page = error_page(failure)  # type: ignore[arg-type]
    assert page.status >= 400
    assert all(words.endswith(".") for words in (page.happened, page.follows, page.to_do))


def test_a_sentence_keeps_its_times_as_times() -> None:
    assert text("It ends on {at}, {count} times.", at=END, count=2) == (
        "It ends on ",
        Moment(END),
        ", ",
        "2",
        " times.",
    )
