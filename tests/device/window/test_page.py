"""What the window shows in each state: a value, before any HTML."""

from datetime import timedelta

import pytest

from services.device.window.page import page_of
from services.device.window.sentences import Said
from services.device.window.values import Page
from shared.messages import Notice
from shared.pages import Masked, Moment, Text, plain
from tests.device import histories
from tests.device.window.samples import NAMED, page, shown, state
from tests.scenarios import END, NEXT_END, NOON, A, B, activated, added, enrolled, last_group, rejected, verified


def said_on(shown_page: Page) -> list[Said]:
    slots = [slot for slot in (shown_page.reserve, shown_page.incoming) if slot is not None]
    told = [shown_page.said, *shown_page.noticed, *(shown_page.refused,) * (shown_page.refused is not None)]
    return [said for said in told if said] + [said for slot in slots for said in (slot.said, *slot.notices)]


@pytest.mark.parametrize("name", NAMED)
def test_every_state_says_what_happened_what_follows_and_what_to_do(name: str) -> None:
    """Every state of the rulebook's list, as the table of states draws it."""
    shown_page = state(name)
    assert shown_page.headline
    assert shown_page.said.label
    for said in said_on(shown_page):
        for told in (said.happened, said.follows, said.to_do):
            assert plain(told).strip().endswith(".")
            assert "None" not in plain(told)
            assert "{" not in plain(told)


@pytest.mark.parametrize("name", NAMED)
def test_the_button_is_available_exactly_when_the_api_says_so_and_else_says_why(name: str) -> None:
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
def test_the_days_remaining_as_the_article_says_them(left: timedelta, words: str) -> None:
    """R-12, R-40."""
    assert page(histories.ACTIVE, END - left).headline == words


def test_the_new_code_is_masked_and_shows_when_it_takes_over_and_its_predicted_end() -> None:
    """R-10."""
    slot = state("active, ready").reserve
    assert slot is not None
    assert slot.code == (Masked(last_group(B)),)
    assert [step.when for step in slot.road[1:]] == [(Moment(END),), (Moment(NEXT_END),)]


def test_activate_now_before_the_end_says_from_when_on_it_is_possible() -> None:
    """R-56."""
    button = state("active, ready").activate_now
    assert button is not None
    assert not button.allowed
    assert Moment(END) in button.why


def test_after_the_end_a_code_that_waits_can_be_activated() -> None:
    """R-59, R-64."""
    button = state("expired, refused").activate_now
    assert button is not None
    assert button.allowed


@pytest.mark.parametrize("notice", ["seats_exhausted", "fewer_features", "fewer_seats", "other_edition"])
def test_a_notice_of_the_verdict_stands_beside_the_code(notice: Notice) -> None:
    """R-03, R-28, R-29."""
    life = [*histories.VERIFYING, verified(B, notices=(notice,))]
    slot = page(life, NOON).reserve
    assert slot is not None
    assert [said.tone for said in slot.notices] == ["warn"]


def test_a_rejected_code_is_told_and_is_not_there() -> None:
    """R-15."""
    shown_page = page([*histories.VERIFYING, rejected(B, "wrong_region")], NOON)
    assert shown_page.reserve is None
    assert shown_page.refused is not None
    assert Masked(last_group(B)) in shown_page.refused.happened
    assert "region" in plain(shown_page.refused.happened)


def test_a_refusal_that_the_code_itself_tells_is_told_once() -> None:
    """R-46."""
    shown_page = state("expired, refused")
    assert shown_page.refused is None
    assert shown_page.reserve is not None
    assert "blocked" in plain(shown_page.reserve.said.happened)


def test_a_second_code_must_be_said_to_replace_the_first() -> None:
    """R-20."""
    assert state("active").entry.replaces == ()
    assert state("active, ready").entry.replaces == (Masked(last_group(B)),)


def test_on_top_of_a_trial_it_is_asked_when_the_code_takes_over() -> None:
    """R-26."""
    assert state("trial").entry.ends_trial
    assert not state("active").entry.ends_trial


def test_no_code_is_entered_while_one_is_being_activated_or_the_device_has_to_wait() -> None:
    """R-60, R-107."""
    assert not state("expired, activating").entry.available
    throttled = state("unlicensed, throttled")
    assert not throttled.entry.available
    assert any(isinstance(part, Moment) for part in throttled.entry.intro)


def test_what_is_old_or_not_yet_shown_says_so() -> None:
    """R-100, R-104."""
    old = state("active", stale=True)
    assert [said.tone for said in old.noticed] == ["warn"]
    behind = state("active", current=False)
    assert behind.pending
    assert "not shown here yet" in plain(behind.noticed[0].happened)


def test_a_wrong_clock_and_a_copied_device_are_told() -> None:
    """R-88, R-111."""
    odd = state("active", clock_deviates=True, clock_offset_seconds=-7_200, clone_suspected=True)
    told = " ".join(plain(said.happened) for said in odd.noticed)
    assert "2 hours behind" in told
    assert "identity" in told


def test_a_purchase_on_its_way_is_told_and_not_just_expired() -> None:
    """R-98, R-103."""
    for name in ("expired, renewal announced", "expired"):
        assert "24 hours" in plain(state(name).said.follows)


def test_an_add_on_product_is_named() -> None:
    """R-42."""
    add_on = {"device_id": "other", "version": 1, "product": "vpn", "status": "active", "works_until": END.isoformat()}
    (shown_add_on,) = state("active", add_ons=[add_on]).add_ons
    assert (shown_add_on.product, Moment(END) in shown_add_on.told) == ("vpn", True)


def test_a_device_without_a_name_is_told_by_the_end_of_its_id() -> None:
    assert page_of(shown(*NAMED["active"]), name=None).device_name.startswith("device …")


@pytest.mark.parametrize("name", NAMED)
def test_no_whole_code_and_no_reference_is_told(name: str) -> None:
    """R-112: a reference only goes with the button that needs it."""
    seen = state(name)
    texts: list[Text] = [part for said in said_on(seen) for part in (said.happened, said.follows, said.to_do)]
    told = " ".join([*map(plain, texts), seen.announced, seen.headline])
    assert not any(ref in told for ref in (A, B))


def test_a_kept_life_with_no_license_at_all_is_the_smallest_window() -> None:
    shown_page = page([enrolled()], NOON)
    assert (shown_page.headline, shown_page.reserve, shown_page.facts) == ("No license", None, ())
    assert page([enrolled(), added(A), activated(A)], NOON).headline.startswith("License:")
