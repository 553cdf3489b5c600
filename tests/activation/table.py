"""Every state of a code with every possible input, as one table.

A row is a state of the code `B`, given by its events; a column is an input, usually an hour after the device's current
license `A` ended, from a device with version 21.3. A cell names the outcome: the event, the reason if it is refused, or
`–`. `test_every_state_and_input.py` fills every cell by the rules.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from services.activation.decider import (
    BlockCode,
    CancelPurchase,
    CodeEvent,
    Command,
    EraseCustomer,
    IssueCode,
    RecordPurchase,
    RecordRefund,
    ReleaseSeat,
    ReturnSeat,
    SetAutoRenewal,
    UnblockCode,
    commands_for,
)
from shared.messages import Attempt
from tests.activation.questions import done_offline
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    OTHER,
    A,
    B,
    C,
    D,
    activated,
    added,
    added_at_once,
    announced,
    asked_now,
    blocked,
    cancelled,
    expired,
    expiry,
    followed,
    given_back,
    issued,
    last_group,
    on,
    released,
    renewed,
    renews_itself,
    retried,
    shortened,
    too_early,
    unblocked,
)

CURRENT: list[CodeEvent] = [issued(A), activated(A)]
TRIAL: list[CodeEvent] = [issued(A, kind="trial"), activated(A)]
SUBSCRIPTION: list[CodeEvent] = [issued(A, kind="subscription"), activated(A), renews_itself(A)]
HERE: list[CodeEvent] = [issued(B), activated(B, ends=NEXT_END)]
JUST_NOW = LATER - timedelta(minutes=1)

STATES: dict[str, list[CodeEvent]] = {
    "unknown": [],
    "other vendor's": [issued(B, vendor="rival")],
    "unused": [issued(B)],
    "blocked": [issued(B), blocked(B, stops=NOON)],
    "other product": [issued(B, product="backup")],
    "other version": [issued(B, version_min="22")],
    "other region": [issued(B, regions=("FR",))],
    "too late to start": [issued(B, activate_by=NOON)],
    "trial": [issued(B, kind="trial")],
    "subscription": [issued(B, kind="subscription")],
    "discounted": [issued(B, kind="renewal")],
    "discounted or short": [issued(B, kind="renewal", short_term="P6M")],
    "has a customer": [issued(B, sealed_customer="k1.c2VhbGVk")],
    "in use elsewhere": [issued(B, seats=2), activated(B, ends=NEXT_END, device=OTHER)],
    "just begun elsewhere": [issued(B, seats=2), activated(B, at=JUST_NOW, ends=NEXT_END, device=OTHER)],
    "no seat free": [issued(B), activated(B, ends=NEXT_END, device=OTHER)],
    "given back": [*HERE, released(B, "removed")],
    "in use here": HERE,
    "notice given, here": [*HERE, blocked(B, stops=NEXT_END)],
    "stopped, here": [*HERE, blocked(B, stops=END)],
    "unblocked, here": [*HERE, blocked(B, stops=END), unblocked(B)],
    "renews itself, here": [issued(B, kind="subscription", auto_renews=True), activated(B, ends=NEXT_END)],
    "over": [issued(B, seats=2), activated(B, device=OTHER)],
    "over, here": [issued(B), activated(B)],
    "purchase announced": [issued(B), activated(B), announced(B, until=NEXT_END)],
    "purchase cancelled": [issued(B), activated(B), announced(B, until=NEXT_END), cancelled(B)],
    "renewed": [issued(B), activated(B), renewed(B)],
    "refunded": [issued(B), activated(B), renewed(B), shortened(B)],
    "refunded early": [issued(B), activated(B), too_early(B, "refund")],
    "cancelled early": [issued(B), activated(B), too_early(B, "cancellation")],
}


def _told[Told: Attempt](event: Told, **more: object) -> Told:
    """Return the event with the device's product version."""
    return event.but(product_version="21.3", **more)


def _buys(*, settled: bool) -> Command:
    return RecordPurchase(code_ref=B, at=LATER, order_id="order-1", settled=settled, purchased_at=NOON)


def _refunds(term: str | None = None) -> Command:
    return RecordRefund(code_ref=B, at=LATER, order_id="order-1", note="changed his mind", term=term)


ADD, AT_ONCE, EXPIRY = _told(added(B)), _told(added_at_once(B, over=A)), _told(expired(reserve=B))
WITHOUT = _told(added_at_once(B))
OFFLINE, AGES_AGO = _told(done_offline(activated=END)), _told(done_offline(activated=END - timedelta(days=60)))
STOPPED = EXPIRY.but(ended_at=NOON)
REMOVAL = commands_for(_told(given_back(reserve=B)), LATER)[1]
ISSUE = IssueCode(code_ref=B, at=LATER, last_group=last_group(B), product="security", kind="paid", term="P1Y", seats=1)

INPUTS: dict[str, tuple[list[CodeEvent], Command]] = {
    "issue": (CURRENT, ISSUE),
    "verify": (CURRENT, on(ADD, LATER)),
    "verify, no license": ([], on(_told(added(B, over=None)), LATER)),
    "verify, A renews itself": (SUBSCRIPTION, on(ADD, LATER)),
    "immediate": (CURRENT, on(AT_ONCE, LATER)),
    "immediate, no license": ([], on(WITHOUT, LATER)),
    "immediate, short term": ([], on(_told(WITHOUT, accepts_short_term=True), LATER)),
    "immediate, A followed": ([*CURRENT, followed(A, C)], on(AT_ONCE, LATER)),
    "immediate, A renewed": ([*CURRENT, renewed(A)], on(AT_ONCE, LATER)),
    "in place of trial A": (TRIAL, on(_told(AT_ONCE, ends_trial=True), NOON)),
    "in place of paid A": (CURRENT, on(_told(AT_ONCE, ends_trial=True), NOON)),
    "automatic": (CURRENT, on(EXPIRY, LATER)),
    "manual": (CURRENT, on(_told(asked_now(B)), LATER)),
    "retry": (CURRENT, on(_told(retried(B, after=expiry())), LATER)),
    "automatic, A unknown": ([], on(EXPIRY, LATER)),
    "automatic, early": (CURRENT, on(EXPIRY, END - MILLISECOND)),
    "automatic, A renewed": ([*CURRENT, renewed(A)], on(EXPIRY, LATER)),
    "automatic, A announced": ([*CURRENT, announced(A, until=LATER + timedelta(days=1))], on(EXPIRY, LATER)),
    "automatic, A renews itself": (SUBSCRIPTION, on(EXPIRY, LATER)),
    "automatic, A stopped": ([*CURRENT, blocked(A, stops=NOON)], on(STOPPED, NOON)),
    "removal": ([*CURRENT, released(A, "removed")], REMOVAL),
    "offline": (CURRENT, on(OFFLINE, LATER)),
    "offline, ages ago": (CURRENT, on(AGES_AGO, LATER)),
    "purchase announced": ([], _buys(settled=False)),
    "purchase settled": ([], _buys(settled=True)),
    "purchase cancelled": ([], CancelPurchase(code_ref=B, at=LATER, order_id="order-1")),
    "refund": ([], _refunds()),
    "refund, too much": ([], _refunds("P9Y")),
    "renew itself": ([], SetAutoRenewal(code_ref=B, at=LATER, auto_renews=True)),
    "renew no more": ([], SetAutoRenewal(code_ref=B, at=LATER, auto_renews=False)),
    "block": ([], BlockCode(code_ref=B, at=LATER, note="lost card")),
    "unblock": ([], UnblockCode(code_ref=B, at=LATER, note="found card")),
    "release": ([], ReleaseSeat(code_ref=B, at=LATER, device_id=D, note="stolen")),
    "return": ([], ReturnSeat(code_ref=B, at=LATER, device_id=D)),
    "erase": ([], EraseCustomer(code_ref=B, at=LATER)),
}

TABLE = """
state                 issue       verify                    verify, no license        verify, A renews itself
unknown               CodeIssued  unknown_code              unknown_code              unknown_code
other vendor's        –           unknown_code              unknown_code              unknown_code
unused                –           CodeVerified              CodeVerified              subscription_active
blocked               –           code_blocked              code_blocked              code_blocked
other product         –           wrong_product             wrong_product             wrong_product
other version         –           version_incompatible      version_incompatible      version_incompatible
other region          –           wrong_region              wrong_region              wrong_region
too late to start     –           activate_by_passed        activate_by_passed        activate_by_passed
trial                 –           trial_not_allowed         trial_not_allowed         trial_not_allowed
subscription          –           subscription_not_allowed  subscription_not_allowed  subscription_not_allowed
discounted            –           CodeVerified              no_prior_license          subscription_active
discounted or short   –           CodeVerified              no_prior_license          subscription_active
has a customer        –           CodeVerified              CodeVerified              subscription_active
in use elsewhere      –           CodeVerified              CodeVerified              subscription_active
just begun elsewhere  –           CodeVerified              CodeVerified              subscription_active
no seat free          –           CodeVerified              CodeVerified              subscription_active
given back            –           CodeVerified              CodeVerified              subscription_active
in use here           –           CodeVerified              CodeVerified              subscription_active
notice given, here    –           code_blocked              code_blocked              code_blocked
stopped, here         –           code_blocked              code_blocked              code_blocked
unblocked, here       –           CodeVerified              CodeVerified              subscription_active
renews itself, here   –           subscription_not_allowed  subscription_not_allowed  subscription_not_allowed
over                  –           term_over                 term_over                 term_over
over, here            –           term_over                 term_over                 term_over
purchase announced    –           term_over                 term_over                 term_over
purchase cancelled    –           term_over                 term_over                 term_over
renewed               –           CodeVerified              CodeVerified              subscription_active
refunded              –           term_over                 term_over                 term_over
refunded early        –           term_over                 term_over                 term_over
cancelled early       –           term_over                 term_over                 term_over

state                 immediate                                           immediate, no license  immediate, short term
unknown               unknown_code                                        unknown_code           unknown_code
other vendor's        unknown_code                                        unknown_code           unknown_code
unused                LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
blocked               code_blocked                                        code_blocked           code_blocked
other product         wrong_product                                       wrong_product          wrong_product
other version         version_incompatible                                version_incompatible   version_incompatible
other region          wrong_region                                        wrong_region           wrong_region
too late to start     activate_by_passed                                  activate_by_passed     activate_by_passed
trial                 LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
subscription          LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed  no_prior_license       no_prior_license
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed  no_prior_license       LicenseActivated
has a customer        LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
in use elsewhere      LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
just begun elsewhere  LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
no seat free          seats_exhausted                                     seats_exhausted        seats_exhausted
given back            LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
in use here           LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
notice given, here    code_blocked                                        code_blocked           code_blocked
stopped, here         code_blocked                                        code_blocked           code_blocked
unblocked, here       LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
renews itself, here   LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
over                  term_over                                           term_over              term_over
over, here            term_over                                           term_over              term_over
purchase announced    term_over                                           term_over              term_over
purchase cancelled    term_over                                           term_over              term_over
renewed               LicenseActivated + SeatReleased                     LicenseActivated       LicenseActivated
refunded              term_over                                           term_over              term_over
refunded early        term_over                                           term_over              term_over
cancelled early       term_over                                           term_over              term_over

state                 immediate, A followed            immediate, A renewed
unknown               unknown_code                     unknown_code
other vendor's        unknown_code                     unknown_code
unused                LicenseActivated + SeatReleased  stale
blocked               code_blocked                     code_blocked
other product         wrong_product                    wrong_product
other version         version_incompatible             version_incompatible
other region          wrong_region                     wrong_region
too late to start     activate_by_passed               activate_by_passed
trial                 LicenseActivated + SeatReleased  stale
subscription          LicenseActivated + SeatReleased  stale
discounted            already_used_for_renewal         stale
discounted or short   already_used_for_renewal         stale
has a customer        LicenseActivated + SeatReleased  stale
in use elsewhere      LicenseActivated + SeatReleased  stale
just begun elsewhere  LicenseActivated + SeatReleased  stale
no seat free          seats_exhausted                  seats_exhausted
given back            LicenseActivated + SeatReleased  stale
in use here           LicenseActivated + SeatReleased  stale
notice given, here    code_blocked                     code_blocked
stopped, here         code_blocked                     code_blocked
unblocked, here       LicenseActivated + SeatReleased  stale
renews itself, here   LicenseActivated + SeatReleased  stale
over                  term_over                        term_over
over, here            term_over                        term_over
purchase announced    term_over                        term_over
purchase cancelled    term_over                        term_over
renewed               LicenseActivated + SeatReleased  stale
refunded              term_over                        term_over
refunded early        term_over                        term_over
cancelled early       term_over                        term_over

state                 in place of trial A                                 in place of paid A
unknown               unknown_code                                        unknown_code
other vendor's        unknown_code                                        unknown_code
unused                LicenseActivated + SeatReleased                     not_expired
blocked               code_blocked                                        code_blocked
other product         wrong_product                                       wrong_product
other version         version_incompatible                                version_incompatible
other region          wrong_region                                        wrong_region
too late to start     LicenseActivated + SeatReleased                     not_expired
trial                 trial_not_allowed                                   trial_not_allowed
subscription          LicenseActivated + SeatReleased                     not_expired
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed  not_expired
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed  not_expired
has a customer        LicenseActivated + SeatReleased                     not_expired
in use elsewhere      LicenseActivated + SeatReleased                     not_expired
just begun elsewhere  LicenseActivated + SeatReleased                     not_expired
no seat free          seats_exhausted                                     seats_exhausted
given back            LicenseActivated + SeatReleased                     not_expired
in use here           LicenseActivated + SeatReleased                     not_expired
notice given, here    code_blocked                                        code_blocked
stopped, here         code_blocked                                        code_blocked
unblocked, here       LicenseActivated + SeatReleased                     not_expired
renews itself, here   LicenseActivated + SeatReleased                     not_expired
over                  LicenseActivated + SeatReleased                     not_expired
over, here            LicenseActivated + SeatReleased                     not_expired
purchase announced    LicenseActivated + SeatReleased                     not_expired
purchase cancelled    LicenseActivated + SeatReleased                     not_expired
renewed               LicenseActivated + SeatReleased                     not_expired
refunded              LicenseActivated + SeatReleased                     not_expired
refunded early        LicenseActivated + SeatReleased                     not_expired
cancelled early       LicenseActivated + SeatReleased                     not_expired

state                 automatic
unknown               unknown_code
other vendor's        unknown_code
unused                LicenseActivated + SeatReleased
blocked               code_blocked
other product         wrong_product
other version         version_incompatible
other region          wrong_region
too late to start     activate_by_passed
trial                 trial_not_allowed
subscription          subscription_not_allowed
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed
has a customer        LicenseActivated + SeatReleased
in use elsewhere      LicenseActivated + SeatReleased
just begun elsewhere  LicenseActivated + SeatReleased
no seat free          seats_exhausted
given back            LicenseActivated + SeatReleased
in use here           already_activated
notice given, here    already_activated
stopped, here         already_activated
unblocked, here       already_activated
renews itself, here   already_activated
over                  term_over
over, here            already_activated
purchase announced    already_activated
purchase cancelled    already_activated
renewed               already_activated
refunded              already_activated
refunded early        already_activated
cancelled early       already_activated

state                 manual
unknown               unknown_code
other vendor's        unknown_code
unused                LicenseActivated + SeatReleased
blocked               code_blocked
other product         wrong_product
other version         version_incompatible
other region          wrong_region
too late to start     activate_by_passed
trial                 trial_not_allowed
subscription          subscription_not_allowed
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed
has a customer        LicenseActivated + SeatReleased
in use elsewhere      LicenseActivated + SeatReleased
just begun elsewhere  LicenseActivated + SeatReleased
no seat free          seats_exhausted
given back            LicenseActivated + SeatReleased
in use here           already_activated
notice given, here    already_activated
stopped, here         already_activated
unblocked, here       already_activated
renews itself, here   already_activated
over                  term_over
over, here            already_activated
purchase announced    already_activated
purchase cancelled    already_activated
renewed               already_activated
refunded              already_activated
refunded early        already_activated
cancelled early       already_activated

state                 retry                                               automatic, A unknown      automatic, early
unknown               unknown_code                                        unknown_code              not_expired
other vendor's        unknown_code                                        unknown_code              not_expired
unused                LicenseActivated + SeatReleased                     LicenseActivated          not_expired
blocked               code_blocked                                        code_blocked              not_expired
other product         wrong_product                                       wrong_product             not_expired
other version         version_incompatible                                version_incompatible      not_expired
other region          wrong_region                                        wrong_region              not_expired
too late to start     activate_by_passed                                  activate_by_passed        not_expired
trial                 trial_not_allowed                                   trial_not_allowed         not_expired
subscription          subscription_not_allowed                            subscription_not_allowed  not_expired
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed  no_prior_license          not_expired
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed  no_prior_license          not_expired
has a customer        LicenseActivated + SeatReleased                     LicenseActivated          not_expired
in use elsewhere      LicenseActivated + SeatReleased                     LicenseActivated          not_expired
just begun elsewhere  LicenseActivated + SeatReleased                     LicenseActivated          not_expired
no seat free          seats_exhausted                                     seats_exhausted           not_expired
given back            LicenseActivated + SeatReleased                     LicenseActivated          not_expired
in use here           already_activated                                   already_activated         already_activated
notice given, here    already_activated                                   already_activated         already_activated
stopped, here         already_activated                                   already_activated         already_activated
unblocked, here       already_activated                                   already_activated         already_activated
renews itself, here   already_activated                                   already_activated         already_activated
over                  term_over                                           term_over                 not_expired
over, here            already_activated                                   already_activated         already_activated
purchase announced    already_activated                                   already_activated         already_activated
purchase cancelled    already_activated                                   already_activated         already_activated
renewed               already_activated                                   already_activated         already_activated
refunded              already_activated                                   already_activated         already_activated
refunded early        already_activated                                   already_activated         already_activated
cancelled early       already_activated                                   already_activated         already_activated

state                 automatic, A renewed  automatic, A announced  automatic, A renews itself
unknown               stale                 purchase_pending        renewal_due
other vendor's        stale                 purchase_pending        renewal_due
unused                stale                 purchase_pending        renewal_due
blocked               stale                 purchase_pending        renewal_due
other product         stale                 purchase_pending        renewal_due
other version         stale                 purchase_pending        renewal_due
other region          stale                 purchase_pending        renewal_due
too late to start     stale                 purchase_pending        renewal_due
trial                 stale                 purchase_pending        renewal_due
subscription          stale                 purchase_pending        renewal_due
discounted            stale                 purchase_pending        renewal_due
discounted or short   stale                 purchase_pending        renewal_due
has a customer        stale                 purchase_pending        renewal_due
in use elsewhere      stale                 purchase_pending        renewal_due
just begun elsewhere  stale                 purchase_pending        renewal_due
no seat free          stale                 purchase_pending        renewal_due
given back            stale                 purchase_pending        renewal_due
in use here           already_activated     already_activated       already_activated
notice given, here    already_activated     already_activated       already_activated
stopped, here         already_activated     already_activated       already_activated
unblocked, here       already_activated     already_activated       already_activated
renews itself, here   already_activated     already_activated       already_activated
over                  stale                 purchase_pending        renewal_due
over, here            already_activated     already_activated       already_activated
purchase announced    already_activated     already_activated       already_activated
purchase cancelled    already_activated     already_activated       already_activated
renewed               already_activated     already_activated       already_activated
refunded              already_activated     already_activated       already_activated
refunded early        already_activated     already_activated       already_activated
cancelled early       already_activated     already_activated       already_activated

state                 automatic, A stopped                                removal
unknown               unknown_code                                        unknown_code
other vendor's        unknown_code                                        unknown_code
unused                LicenseActivated + SeatReleased                     LicenseActivated
blocked               code_blocked                                        code_blocked
other product         wrong_product                                       wrong_product
other version         version_incompatible                                version_incompatible
other region          wrong_region                                        wrong_region
too late to start     LicenseActivated + SeatReleased                     activate_by_passed
trial                 trial_not_allowed                                   trial_not_allowed
subscription          subscription_not_allowed                            subscription_not_allowed
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed  LicenseActivated + PriorLicenseUsed
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed  LicenseActivated + PriorLicenseUsed
has a customer        LicenseActivated + SeatReleased                     LicenseActivated
in use elsewhere      LicenseActivated + SeatReleased                     LicenseActivated
just begun elsewhere  LicenseActivated + SeatReleased                     LicenseActivated
no seat free          seats_exhausted                                     seats_exhausted
given back            LicenseActivated + SeatReleased                     LicenseActivated
in use here           already_activated                                   already_activated
notice given, here    already_activated                                   already_activated
stopped, here         already_activated                                   already_activated
unblocked, here       already_activated                                   already_activated
renews itself, here   already_activated                                   already_activated
over                  LicenseActivated + SeatReleased                     term_over
over, here            already_activated                                   already_activated
purchase announced    already_activated                                   already_activated
purchase cancelled    already_activated                                   already_activated
renewed               already_activated                                   already_activated
refunded              already_activated                                   already_activated
refunded early        already_activated                                   already_activated
cancelled early       already_activated                                   already_activated

state                 offline                                                      offline, ages ago
unknown               unknown_code                                                 date_out_of_range
other vendor's        unknown_code                                                 date_out_of_range
unused                LicenseActivated + SeatReleased                              date_out_of_range
blocked               code_blocked                                                 date_out_of_range
other product         wrong_product                                                date_out_of_range
other version         version_incompatible                                         date_out_of_range
other region          wrong_region                                                 date_out_of_range
too late to start     activate_by_passed                                           date_out_of_range
trial                 LicenseActivated + SeatReleased                              date_out_of_range
subscription          LicenseActivated + SeatReleased                              date_out_of_range
discounted            LicenseActivated + SeatReleased + PriorLicenseUsed           date_out_of_range
discounted or short   LicenseActivated + SeatReleased + PriorLicenseUsed           date_out_of_range
has a customer        LicenseActivated + SeatReleased                              date_out_of_range
in use elsewhere      LicenseActivated + SeatReleased                              date_out_of_range
just begun elsewhere  LicenseActivated + SeatReleased + EarlierActivationReported  date_out_of_range
no seat free          seats_exhausted                                              date_out_of_range
given back            LicenseActivated + SeatReleased                              date_out_of_range
in use here           already_activated                                            already_activated
notice given, here    already_activated                                            already_activated
stopped, here         already_activated                                            already_activated
unblocked, here       already_activated                                            already_activated
renews itself, here   already_activated                                            already_activated
over                  term_over                                                    date_out_of_range
over, here            already_activated                                            already_activated
purchase announced    already_activated                                            already_activated
purchase cancelled    already_activated                                            already_activated
renewed               already_activated                                            already_activated
refunded              already_activated                                            already_activated
refunded early        already_activated                                            already_activated
cancelled early       already_activated                                            already_activated

state                 purchase announced  purchase settled                   purchase cancelled  refund
unknown               unknown_code        unknown_code                       unknown_code        unknown_code
other vendor's        not_activated       not_activated                      unknown_order       unknown_order
unused                not_activated       not_activated                      unknown_order       unknown_order
blocked               not_activated       not_activated                      unknown_order       unknown_order
other product         not_activated       not_activated                      unknown_order       unknown_order
other version         not_activated       not_activated                      unknown_order       unknown_order
other region          not_activated       not_activated                      unknown_order       unknown_order
too late to start     not_activated       not_activated                      unknown_order       unknown_order
trial                 not_activated       not_activated                      unknown_order       unknown_order
subscription          not_activated       not_activated                      unknown_order       unknown_order
discounted            not_activated       not_activated                      unknown_order       unknown_order
discounted or short   not_activated       not_activated                      unknown_order       unknown_order
has a customer        not_activated       not_activated                      unknown_order       unknown_order
in use elsewhere      PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
just begun elsewhere  PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
no seat free          PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
given back            PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
in use here           PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
notice given, here    PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
stopped, here         PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
unblocked, here       PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
renews itself, here   PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
over                  PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
over, here            PurchaseAnnounced   LicenseRenewed                     unknown_order       unknown_order
purchase announced    –                   LicenseRenewed                     PurchaseCancelled   unknown_order
purchase cancelled    –                   LicenseRenewed                     –                   unknown_order
renewed               –                   –                                  already_settled     LicenseShortened
refunded              –                   –                                  already_settled     –
refunded early        PurchaseAnnounced   LicenseRenewed + LicenseShortened  unknown_order       unknown_order
cancelled early       –                   LicenseRenewed                     –                   unknown_order

state                 refund, too much         renew itself        renew no more       block         unblock
unknown               unknown_code             unknown_code        unknown_code        unknown_code  unknown_code
other vendor's        unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
unused                unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
blocked               unknown_order            not_a_subscription  not_a_subscription  –             CodeUnblocked
other product         unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
other version         unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
other region          unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
too late to start     unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
trial                 unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
subscription          unknown_order            AutoRenewalChanged  –                   CodeBlocked   –
discounted            unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
discounted or short   unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
has a customer        unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
in use elsewhere      unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
just begun elsewhere  unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
no seat free          unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
given back            unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
in use here           unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
notice given, here    unknown_order            not_a_subscription  not_a_subscription  –             CodeUnblocked
stopped, here         unknown_order            not_a_subscription  not_a_subscription  –             CodeUnblocked
unblocked, here       unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
renews itself, here   unknown_order            –                   AutoRenewalChanged  CodeBlocked   –
over                  unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
over, here            unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
purchase announced    unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
purchase cancelled    unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
renewed               refund_exceeds_purchase  not_a_subscription  not_a_subscription  CodeBlocked   –
refunded              refund_exceeds_purchase  not_a_subscription  not_a_subscription  CodeBlocked   –
refunded early        unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –
cancelled early       unknown_order            not_a_subscription  not_a_subscription  CodeBlocked   –

state                 release       return        erase
unknown               unknown_code  –             unknown_code
other vendor's        not_a_holder  –             –
unused                not_a_holder  –             –
blocked               not_a_holder  –             –
other product         not_a_holder  –             –
other version         not_a_holder  –             –
other region          not_a_holder  –             –
too late to start     not_a_holder  –             –
trial                 not_a_holder  –             –
subscription          not_a_holder  –             –
discounted            not_a_holder  –             –
discounted or short   not_a_holder  –             –
has a customer        not_a_holder  –             CustomerErased
in use elsewhere      not_a_holder  –             –
just begun elsewhere  not_a_holder  –             –
no seat free          not_a_holder  –             –
given back            not_a_holder  –             –
in use here           SeatReleased  SeatReleased  –
notice given, here    SeatReleased  SeatReleased  –
stopped, here         SeatReleased  SeatReleased  –
unblocked, here       SeatReleased  SeatReleased  –
renews itself, here   SeatReleased  SeatReleased  –
over                  not_a_holder  –             –
over, here            SeatReleased  SeatReleased  –
purchase announced    SeatReleased  SeatReleased  –
purchase cancelled    SeatReleased  SeatReleased  –
renewed               SeatReleased  SeatReleased  –
refunded              SeatReleased  SeatReleased  –
refunded early        SeatReleased  SeatReleased  –
cancelled early       SeatReleased  SeatReleased  –
"""


def cells(drawn: str) -> Mapping[tuple[str, str], str]:
    """Parse the table: cells are separated by two or more spaces, its parts by an empty line."""
    read: dict[tuple[str, str], str] = {}
    for part in filter(None, drawn.strip().split("\n\n")):
        header, *rows = (re.split(r"\s{2,}", line) for line in part.splitlines())
        for state, *row in rows:
            for incoming, cell in zip(header[1:], row, strict=True):
                assert (state, incoming) not in read, f"{state} × {incoming} is drawn twice"
                read[state, incoming] = cell
    return read


CELLS = cells(TABLE)


def table() -> list[tuple[str, str, str]]:
    """Return the table as (state, input, outcome), in its order."""
    return [(state, incoming, cell) for (state, incoming), cell in CELLS.items()]
