"""The content of the window in each state, as values before any HTML."""

from datetime import timedelta

import pytest

from services.device.decider import DeviceEvent
from services.device.outlook import Outlook
from services.device.window.page import page_of
from services.device.window.sentences import Message
from services.device.window.sentences.message import NOTHING_TO_DO
from services.device.window.values import Page
from shared.messages import Notice
from shared.pages import MaskedCode, Moment, Text, plain
from shared.reasons import EXPLAINED_REASONS
from tests.device import histories
from tests.device.window.samples import NAMED, page, shown, state
from tests.scenarios import END, NEXT_END, NOON, A, B, activated, added, enrolled, last_group, rejected, verified


def messages_on(shown_page: Page) -> list[Message]:
    slots = [slot for slot in (shown_page.reserve, shown_page.incoming) if slot is not None]
    refusal = [] if shown_page.refusal is None else [shown_page.refusal]
    in_slots = [message for slot in slots for message in (slot.message, *slot.notices)]
    return [shown_page.message, *shown_page.warnings, *refusal, *in_slots]


@pytest.mark.parametrize("name", NAMED)
def test_every_state_says_what_happened_what_follows_and_what_to_do(name: str) -> None:
    """Every state in the rulebook's list, as in the table of states."""
    shown_page = state(name)
    assert shown_page.headline
    assert shown_page.message.label
    for message in messages_on(shown_page):
        for part in (message.happened, message.follows, message.to_do):
            assert plain(part).strip().endswith(".")
            assert "None" not in plain(part)
            assert "{" not in plain(part)


@pytest.mark.parametrize("name", NAMED)
def test_the_button_is_enabled_exactly_when_the_api_says_so_and_otherwise_says_why(name: str) -> None:
    """R-55, R-62."""
    seen, shown_page = shown(*NAMED[name]), state(name)
    if shown_page.activate_now is None:
        assert shown_page.reserve is None
        return
    assert shown_page.activate_now.allowed == seen.answer["may_activate_now"]
    assert bool(shown_page.activate_now.why) != shown_page.activate_now.allowed
    assert seen.view.device.reserve is not None
    assert shown_page.activate_now.code_ref == seen.view.device.reserve.code_ref


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=23, hours=5), "License: 23 days remaining"),
        (timedelta(days=2), "License: 2 days remaining"),
        (timedelta(days=2) - timedelta(milliseconds=1), "License: 1 day remaining"),
        (timedelta(hours=24), "License: 1 day remaining"),
        (timedelta(hours=24) - timedelta(milliseconds=1), "License: less than 1 day remaining"),
        (timedelta(milliseconds=1), "License: less than 1 day remaining"),
        (timedelta(0), "License expired"),
    ],
)
def test_days_remaining_read_as_in_the_article(left: timedelta, words: str) -> None:
    """R-12, R-40."""
    assert page(histories.ACTIVE, END - left).headline == words


def test_the_new_code_is_masked_and_shows_when_it_takes_over_and_its_predicted_end() -> None:
    """R-10."""
    slot = state("active, ready").reserve
    assert slot is not None
    assert slot.code == (MaskedCode(last_group(B)),)
    assert [step.when for step in slot.steps[1:]] == [(Moment(END),), (Moment(NEXT_END),)]


def test_activate_now_before_the_end_says_when_it_becomes_available() -> None:
    """R-56."""
    button = state("active, ready").activate_now
    assert button is not None
    assert not button.allowed
    assert Moment(END) in button.why


def test_after_the_end_a_waiting_code_can_be_activated() -> None:
    """R-59, R-64."""
    button = state("expired, refused").activate_now
    assert button is not None
    assert button.allowed


@pytest.mark.parametrize("notice", ["seats_exhausted", "fewer_features", "fewer_seats", "other_edition"])
def test_a_notice_of_the_verdict_is_shown_with_the_code(notice: Notice) -> None:
    """R-03, R-28, R-29."""
    life = [*histories.VERIFYING, verified(B, notices=(notice,))]
    slot = page(life, NOON).reserve
    assert slot is not None
    assert [message.tone for message in slot.notices] == ["warn"]


def test_a_rejected_code_is_reported_and_not_kept() -> None:
    """R-15."""
    shown_page = page([*histories.VERIFYING, rejected(B, "wrong_region")], NOON)
    assert shown_page.reserve is None
    assert shown_page.refusal is not None
    assert MaskedCode(last_group(B)) in shown_page.refusal.happened
    assert "region" in plain(shown_page.refusal.happened)


def test_a_refusal_shown_at_the_code_is_not_shown_twice() -> None:
    """R-46."""
    shown_page = state("expired, refused")
    assert shown_page.refusal is None
    assert shown_page.reserve is not None
    assert "blocked" in plain(shown_page.reserve.message.happened)


def test_a_second_code_replaces_the_first_only_on_request() -> None:
    """R-20."""
    assert state("active").entry.replaces == ()
    assert state("active, ready").entry.replaces == (MaskedCode(last_group(B)),)


def test_during_a_trial_people_choose_when_the_code_takes_over() -> None:
    """R-26."""
    assert state("trial").entry.ends_trial
    assert not state("active").entry.ends_trial


def test_no_code_can_be_entered_during_an_activation_or_while_throttled() -> None:
    """R-60, R-107."""
    assert not state("expired, activating").entry.available
    throttled = state("unlicensed, throttled")
    assert not throttled.entry.available
    assert any(isinstance(part, Moment) for part in throttled.entry.intro)


def test_a_stale_or_incomplete_display_says_so() -> None:
    """R-100, R-104."""
    old = state("active", stale=True)
    assert [message.tone for message in old.warnings] == ["warn"]
    behind = state("active", current=False)
    assert behind.pending
    assert "not shown here yet" in plain(behind.warnings[0].happened)


def test_a_wrong_clock_and_a_copied_device_are_reported() -> None:
    """R-88, R-111."""
    odd = state("active", clock_deviates=True, clock_offset_seconds=-7_200, clone_suspected=True)
    text = " ".join(plain(message.happened) for message in odd.warnings)
    assert "2 hours behind" in text
    assert "identity" in text


def test_a_purchase_on_its_way_is_mentioned_beside_the_expiry() -> None:
    """R-98, R-103."""
    for name in ("expired, renewal announced", "expired"):
        assert "24 hours" in plain(state(name).message.follows)


def test_an_add_on_product_is_named() -> None:
    """R-42."""
    add_on = {"device_id": "other", "version": 1, "product": "vpn", "status": "active", "works_until": END.isoformat()}
    (shown_add_on,) = state("active", add_ons=[add_on]).add_ons
    assert (shown_add_on.product, Moment(END) in shown_add_on.status) == ("vpn", True)


def test_a_device_without_a_name_is_identified_by_the_end_of_its_id() -> None:
    assert page_of(shown(*NAMED["active"]), name=None).device_name.startswith("device …")


@pytest.mark.parametrize("name", NAMED)
def test_no_whole_code_and_no_reference_is_shown(name: str) -> None:
    """R-112: a reference appears only with the button that needs it."""
    seen = state(name)
    texts: list[Text] = [
        part for message in messages_on(seen) for part in (message.happened, message.follows, message.to_do)
    ]
    text = " ".join([*map(plain, texts), seen.announcement, seen.headline])
    assert not any(ref in text for ref in (A, B))


def test_a_device_without_a_license_has_the_smallest_window() -> None:
    shown_page = page([enrolled()], NOON)
    assert (shown_page.headline, shown_page.reserve, shown_page.facts) == ("No license", None, ())
    assert page([enrolled(), added(A), activated(A)], NOON).headline.startswith("License:")


@pytest.mark.parametrize(
    "outlook",
    [
        Outlook(at=END, reason="code_blocked"),
        Outlook(at=END, reason="wrong_product"),
        Outlook(at=END, reason="version_incompatible"),
        Outlook(at=END, reason="wrong_region"),
        Outlook(at=END, reason="activate_by_passed"),
        Outlook(at=END, reason="term_over"),
        Outlook(at=END, reason="seats_exhausted"),
        Outlook(at=END, reason="seats_exhausted", seats=1, contenders=2),
    ],
    ids=str,
)
def test_no_message_says_that_nothing_is_to_be_done_about_a_code_that_will_be_refused(outlook: Outlook) -> None:
    """R-141: it says what will happen, when, and what to do."""
    shown_page = page(*NAMED["active, ready"], outlook=outlook)
    assert shown_page.reserve is not None
    message = shown_page.reserve.message
    reason = "seats" if outlook.reason == "seats_exhausted" else EXPLAINED_REASONS[outlook.reason].meaning
    assert reason in plain(message.happened)
    assert Moment(END) in message.follows
    assert ("1 of 2 will get it" in plain(message.follows)) == bool(outlook.contenders)
    assert shown_page.reserve.steps == ()
    assert shown_page.message.tone == "warn"
    for each in (shown_page.message, message):
        assert "do not need to do" not in plain(each.to_do)
        assert "then try again" not in plain(each.to_do)
        assert "takes over automatically" not in plain(each.follows)


def test_a_code_that_nothing_is_in_the_way_of_needs_nothing_to_be_done() -> None:
    """R-141."""
    shown_page = state("active, ready")
    assert shown_page.reserve is not None
    assert plain(shown_page.reserve.message.to_do) == plain(shown_page.message.to_do) == plain(NOTHING_TO_DO)


def test_a_subscription_that_is_about_to_renew_itself_is_not_shown_as_expired() -> None:
    """R-98, R-135: until the hold is over."""
    history: list[DeviceEvent] = [enrolled(), activated(A, kind="subscription", auto_renews=True)]
    held, over = page(history, END + timedelta(hours=3)), page(history, END + timedelta(days=1))
    assert (held.headline, held.message.label, held.message.tone) == ("Subscription renewing", "Renewal due", "calm")
    assert Moment(END + timedelta(days=1)) in held.message.happened
    assert "renews automatically" in plain(held.message.follows)
    assert (over.headline, over.message.label) == ("License expired", "Expired")
