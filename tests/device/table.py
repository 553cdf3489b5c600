"""Every state of a device with every possible input, as one table.

A row is a state, given by the events of `histories`, at its time of day; a column is an input. A cell names the
outcome: the event, the reason if it is refused, or `–` for nothing. `test_every_state_and_input.py` fills every cell by
the rules. `late` is a license whose end has passed before any timer fired.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from services.device.decider import (
    POLICY,
    Activate,
    AddCode,
    CodeEvent,
    Command,
    CorrectRegion,
    Device,
    DeviceEvent,
    EnrollDevice,
    Expire,
    RecordContact,
    RecordNewToken,
    RecordVerdict,
    RemoveLicense,
    RemoveReserve,
    ReportExpiry,
    ReportInstallation,
    ReportOfflineActivation,
    RetryActivation,
)
from shared.messages import ActivationDelayed, ActivationRefused, LicenseActivated
from tests.device import histories
from tests.device.histories import AFTER_THE_STOP, HELD_UNTIL, SOON, STOP
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    ORDER,
    OTHER,
    START,
    A,
    B,
    C,
    D,
    activated,
    announced,
    blocked,
    cancelled,
    delayed,
    followed,
    forgotten,
    issued,
    last_group,
    not_bought,
    refused,
    rejected,
    released,
    renewed,
    renews_itself,
    shortened,
    told_late,
    unblocked,
    verified,
)

STATES: dict[str, tuple[list[DeviceEvent], datetime]] = {
    "unknown": (histories.UNKNOWN, NOON),
    "unlicensed": (histories.UNLICENSED, NOON),
    "unlicensed, throttled": (histories.THROTTLED, NOON),
    "unlicensed, activating": (histories.UNLICENSED_ACTIVATING, NOON),
    "seat released": (histories.SEAT_RELEASED, NOON),
    "released, reserve kept": (histories.RESERVE_KEPT, NOON),
    "removed": (histories.REMOVED, NOON),
    "removed, activating": (histories.REMOVED_ACTIVATING, NOON),
    "active": (histories.ACTIVE, NOON),
    "active, verifying": (histories.VERIFYING, NOON),
    "active, verifying again": (histories.ASKED_AGAIN, NOON),
    "active, ready": (histories.READY, NOON),
    "active, ready, incoming": (histories.REPLACING, NOON),
    "active, refused": (histories.RENEWED_REFUSED, LATER),
    "active, answer awaited": (histories.OVERTAKEN, LATER),
    "active, switched": (histories.SWITCHED, LATER),
    "active, clone suspected": (histories.SUSPECTED, NOON),
    "active, block notice": (histories.BLOCKED, NOON),
    "trial": (histories.TRIAL, NOON),
    "trial, ready": (histories.TRIAL_READY, NOON),
    "trial, activating": (histories.TRIAL_ENDING, NOON),
    "subscription, ready": (histories.SUBSCRIBED, NOON),
    "late": (histories.ACTIVE, LATER),
    "late, ready": (histories.READY, LATER),
    "expired": (histories.EXPIRED, LATER),
    "expired, renewal announced": (histories.ANNOUNCED, LATER),
    "expired, activating": (histories.ACTIVATING, SOON),
    "expired, overdue": (histories.ACTIVATING, LATER),
    "expired, unanswered": (histories.UNANSWERED, LATER),
    "… and incoming": (histories.ACTIVATING_REPLACING, SOON),
    "… and incoming is good": (histories.ACTIVATING_REPLACED, SOON),
    "expired, retrying": (histories.RETRYING, LATER),
    "expired, purchase pending": (histories.HELD, LATER),
    "expired, renewal due": (histories.RENEWAL_DUE, LATER),
    "expired, other region": (histories.REFUSED_THERE, LATER),
    "expired, refused": (histories.REFUSED, LATER),
    "expired, clicked often": (histories.CLICKED_TWICE, LATER),
    "expired, ready": (histories.RENEWAL_AWAITED, LATER),
    "expired, verifying": (histories.REJECTED_REPLACING, LATER),
    "expired, C reported": (histories.REPORTED, SOON),
    "… over refused B": (histories.REPORTED_OVER_REFUSED, SOON),
    "stopped": (histories.STOPPED, AFTER_THE_STOP),
    "stopped, activating": (histories.STOPPED_ACTIVATING, AFTER_THE_STOP),
}


class Moment(NamedTuple):
    """A device as an input finds it."""

    device: Device
    now: datetime

    @property
    def order(self) -> dict[str, Any]:
        """What every command from outside has."""
        return {"device_id": D, "at": self.now, "request_id": ORDER}

    @property
    def ends_at(self) -> datetime:
        """When the current license is over, as the device knows it."""
        return self.device.license.over_at if self.device.license is not None else NEXT_END


type Input = Callable[[Moment], Command]


def add(code: str, **more: Any) -> Input:
    return lambda moment: AddCode(**moment.order, code_ref=code, last_group=last_group(code), **more)


def report(code: str) -> Input:
    return lambda moment: ReportOfflineActivation(
        **moment.order, code_ref=code, last_group=last_group(code), activated_at=NOON
    )


def contact(sequence: int, *, off: timedelta = timedelta(0), **before: int) -> Input:
    return lambda moment: RecordContact(
        **moment.order, sequence=sequence, last_sequence=7, device_time=moment.now + off, **before
    )


def says(verdict: CodeEvent) -> Input:
    return lambda moment: RecordVerdict(device_id=D, verdict=verdict, at=moment.now)


def answers(verdict: ActivationRefused | ActivationDelayed | LicenseActivated) -> Input:
    """The verdict on the running attempt, or on the last one."""

    def command(moment: Moment) -> Command:
        reserve = moment.device.reserve
        request_id = reserve.attempt_request_id if reserve is not None else None
        answer = verdict.but(request_id=request_id or ORDER)
        return RecordVerdict(device_id=D, verdict=answer, at=moment.now)

    return command


INPUTS: dict[str, Input] = {
    "enroll": lambda m: EnrollDevice(**m.order, product="security", region="DE"),
    "enroll as add-on": lambda m: EnrollDevice(**m.order, product="security", region="DE", part_of=OTHER),
    "same installed": lambda m: ReportInstallation(**m.order, product="security"),
    "other installed": lambda m: ReportInstallation(**m.order, product="security", product_version="22.1"),
    "same region": lambda m: CorrectRegion(**m.order, region="DE"),
    "other region": lambda m: CorrectRegion(**m.order, region="FR"),
    "contact": contact(8),
    "contact again": contact(7),
    "once more": contact(7, repeated_sequence=7),
    "counted on": contact(8, counted_on=POLICY.clone_sound_contacts),
    "new token": lambda m: RecordNewToken(**m.order),
    "clock is off": contact(8, off=timedelta(hours=-1)),
    "add the current A": add(A),
    "add the reserve B": add(B),
    "add C": add(C),
    "replace by C": add(C, replace=True),
    "add C now": add(C, when="now"),
    "add B now": add(B, when="now"),
    "remove the reserve": lambda m: RemoveReserve(**m.order),
    "remove the license": lambda m: RemoveLicense(**m.order),
    "removed offline": lambda m: RemoveLicense(**m.order, code_ref=A, removed_at=START - timedelta(days=1)),
    "report A": report(A),
    "report B": report(B),
    "report C": report(C),
    "activate now": lambda m: Activate(**m.order),
    "activate B": lambda m: Activate(**m.order, code_ref=B),
    "activate C": lambda m: Activate(**m.order, code_ref=C),
    "end claimed": lambda m: ReportExpiry(**m.order, ended_at=m.ends_at),
    "old end claimed": lambda m: ReportExpiry(**m.order, ended_at=NOON),
    "expiry timer": lambda m: Expire(device_id=D, at=m.now),
    "retry timer": lambda m: RetryActivation(device_id=D, at=m.now),
    "B verified": says(verified(B)),
    "C verified": says(verified(C)),
    "B rejected": says(rejected(B, "wrong_region")),
    "C rejected": says(rejected(C, "wrong_region")),
    "A activated again": says(activated(A)),
    "A on another device": says(activated(A, device=OTHER)),
    "B on another device": says(activated(B, at=NOON, ends=NOON + timedelta(days=365), device=OTHER)),
    "B activated": answers(activated(B, at=LATER, ends=NEXT_END, trigger="automatic")),
    "B blocked": answers(refused(B, "code_blocked")),
    "A runs on": answers(refused(B, "stale")),
    "B delayed": answers(delayed(B, until=NEXT_END)),
    "A renewed": says(renewed(A, ends=NEXT_END)),
    "B renewed": says(renewed(B, ends=NEXT_END.replace(year=2030))),
    "A shortened": says(shortened(A, ends=END - timedelta(days=30), previous=END)),
    "B shortened": says(shortened(B, ends=END + timedelta(days=30))),
    "A stops": says(blocked(A, stops=STOP)),
    "B stops": says(blocked(B, stops=STOP)),
    "A unblocked": says(unblocked(A)),
    "A announced": says(announced(A, until=HELD_UNTIL)),
    "A cancelled": says(cancelled(A)),
    "A renews no more": says(renews_itself(A, on=False)),
    "A released": says(released(A)),
    "A released alone": says(released(A, keeps_reserve=True)),
    "B released": says(released(B)),
    "A left behind": says(released(A, "switched")),
    "A given back": says(released(A, "removed")),
    "issued": says(issued(A)),
    "not renewed": says(not_bought(A, "not_activated")),
    "A followed": says(followed(A, B)),
    "told late": says(told_late(A, at=NOON, started=START)),
    "customer erased": says(forgotten(A)),
}

TABLE = """
state                       enroll          enroll as add-on  same installed  other installed      contact
unknown                     DeviceEnrolled  DeviceEnrolled    unknown_device  unknown_device       unknown_device
unlicensed                  –               device_exists     –               InstallationChanged  –
unlicensed, throttled       –               device_exists     –               InstallationChanged  –
unlicensed, activating      –               device_exists     –               InstallationChanged  –
seat released               –               device_exists     –               InstallationChanged  –
released, reserve kept      –               device_exists     –               InstallationChanged  –
removed                     –               device_exists     –               InstallationChanged  –
removed, activating         –               device_exists     –               InstallationChanged  –
active                      –               device_exists     –               InstallationChanged  –
active, verifying           –               device_exists     –               InstallationChanged  –
active, verifying again     device_exists   device_exists     –               InstallationChanged  –
active, ready               –               device_exists     –               InstallationChanged  –
active, ready, incoming     –               device_exists     –               InstallationChanged  –
active, refused             –               device_exists     –               InstallationChanged  –
active, answer awaited      –               device_exists     –               InstallationChanged  –
active, switched            –               device_exists     –               InstallationChanged  –
active, clone suspected     –               device_exists     –               InstallationChanged  –
active, block notice        –               device_exists     –               InstallationChanged  –
trial                       –               device_exists     –               InstallationChanged  –
trial, ready                –               device_exists     –               InstallationChanged  –
trial, activating           –               device_exists     –               InstallationChanged  –
subscription, ready         –               device_exists     –               InstallationChanged  –
late                        –               device_exists     –               InstallationChanged  LicenseExpired
late, ready                 –               device_exists     –               InstallationChanged  LicenseExpired
expired                     –               device_exists     –               InstallationChanged  –
expired, renewal announced  –               device_exists     –               InstallationChanged  –
expired, activating         –               device_exists     –               InstallationChanged  –
expired, overdue            –               device_exists     –               InstallationChanged  –
expired, unanswered         –               device_exists     –               InstallationChanged  –
… and incoming              –               device_exists     –               InstallationChanged  –
… and incoming is good      –               device_exists     –               InstallationChanged  –
expired, retrying           –               device_exists     –               InstallationChanged  –
expired, purchase pending   –               device_exists     –               InstallationChanged  –
expired, renewal due        –               device_exists     –               InstallationChanged  –
expired, other region       –               device_exists     –               InstallationChanged  –
expired, refused            –               device_exists     –               InstallationChanged  –
expired, clicked often      –               device_exists     –               InstallationChanged  –
expired, ready              –               device_exists     –               InstallationChanged  –
expired, verifying          –               device_exists     –               InstallationChanged  –
expired, C reported         –               device_exists     –               InstallationChanged  –
… over refused B            –               device_exists     –               InstallationChanged  –
stopped                     –               device_exists     –               InstallationChanged  –
stopped, activating         –               device_exists     –               InstallationChanged  –

state                       contact again   clock is off
unknown                     unknown_device  unknown_device
unlicensed                  –               DeviceClockObserved
unlicensed, throttled       –               DeviceClockObserved
unlicensed, activating      –               DeviceClockObserved
seat released               –               DeviceClockObserved
released, reserve kept      –               DeviceClockObserved
removed                     –               DeviceClockObserved
removed, activating         –               DeviceClockObserved
active                      –               DeviceClockObserved
active, verifying           –               DeviceClockObserved
active, verifying again     –               DeviceClockObserved
active, ready               –               DeviceClockObserved
active, ready, incoming     –               DeviceClockObserved
active, refused             –               DeviceClockObserved
active, answer awaited      –               DeviceClockObserved
active, switched            –               DeviceClockObserved
active, clone suspected     –               DeviceClockObserved
active, block notice        –               DeviceClockObserved
trial                       –               DeviceClockObserved
trial, ready                –               DeviceClockObserved
trial, activating           –               DeviceClockObserved
subscription, ready         –               DeviceClockObserved
late                        LicenseExpired  LicenseExpired + DeviceClockObserved
late, ready                 LicenseExpired  LicenseExpired + DeviceClockObserved
expired                     –               DeviceClockObserved
expired, renewal announced  –               DeviceClockObserved
expired, activating         –               DeviceClockObserved
expired, overdue            –               DeviceClockObserved
expired, unanswered         –               DeviceClockObserved
… and incoming              –               DeviceClockObserved
… and incoming is good      –               DeviceClockObserved
expired, retrying           –               DeviceClockObserved
expired, purchase pending   –               DeviceClockObserved
expired, renewal due        –               DeviceClockObserved
expired, other region       –               DeviceClockObserved
expired, refused            –               DeviceClockObserved
expired, clicked often      –               DeviceClockObserved
expired, ready              –               DeviceClockObserved
expired, verifying          –               DeviceClockObserved
expired, C reported         –               DeviceClockObserved
… over refused B            –               DeviceClockObserved
stopped                     –               DeviceClockObserved
stopped, activating         –               DeviceClockObserved

state                       add the current A                add the reserve B           add C
unknown                     unknown_device                   unknown_device              unknown_device
unlicensed                  CodeAdded                        CodeAdded                   CodeAdded
unlicensed, throttled       throttled                        throttled                   throttled
unlicensed, activating      reserve_exists                   –                           reserve_exists
seat released               CodeAdded                        CodeAdded                   CodeAdded
released, reserve kept      reserve_exists                   –                           reserve_exists
removed                     CodeAdded                        CodeAdded                   CodeAdded
removed, activating         reserve_exists                   –                           reserve_exists
active                      same_as_current                  CodeAdded                   CodeAdded
active, verifying           same_as_current                  –                           reserve_exists
active, verifying again     same_as_current                  –                           reserve_exists
active, ready               same_as_current                  –                           reserve_exists
active, ready, incoming     same_as_current                  –                           –
active, refused             same_as_current                  –                           reserve_exists
active, answer awaited      same_as_current                  –                           reserve_exists
active, switched            CodeAdded                        same_as_current             CodeAdded
active, clone suspected     same_as_current                  CodeAdded                   CodeAdded
active, block notice        same_as_current                  –                           reserve_exists
trial                       same_as_current                  CodeAdded                   CodeAdded
trial, ready                same_as_current                  –                           reserve_exists
trial, activating           same_as_current                  –                           reserve_exists
subscription, ready         same_as_current                  –                           reserve_exists
late                        LicenseExpired + CodeAdded       LicenseExpired + CodeAdded  LicenseExpired + CodeAdded
late, ready                 LicenseExpired + reserve_exists  LicenseExpired              LicenseExpired + reserve_exists
expired                     CodeAdded                        CodeAdded                   CodeAdded
expired, renewal announced  CodeAdded                        CodeAdded                   CodeAdded
expired, activating         reserve_exists                   –                           reserve_exists
expired, overdue            reserve_exists                   –                           reserve_exists
expired, unanswered         reserve_exists                   –                           reserve_exists
… and incoming              reserve_exists                   –                           –
… and incoming is good      reserve_exists                   –                           –
expired, retrying           reserve_exists                   –                           reserve_exists
expired, purchase pending   reserve_exists                   –                           reserve_exists
expired, renewal due        reserve_exists                   –                           reserve_exists
expired, other region       reserve_exists                   –                           reserve_exists
expired, refused            reserve_exists                   –                           reserve_exists
expired, clicked often      reserve_exists                   –                           reserve_exists
expired, ready              reserve_exists                   –                           reserve_exists
expired, verifying          reserve_exists                   reserve_exists              –
expired, C reported         reserve_exists                   reserve_exists              –
… over refused B            reserve_exists                   –                           –
stopped                     CodeAdded                        CodeAdded                   CodeAdded
stopped, activating         reserve_exists                   –                           reserve_exists

state                       replace by C                     add C now
unknown                     unknown_device                   unknown_device
unlicensed                  CodeAdded                        CodeAdded
unlicensed, throttled       throttled                        throttled
unlicensed, activating      reserve_exists                   reserve_exists
seat released               CodeAdded                        CodeAdded
released, reserve kept      CodeRemoved + CodeAdded          reserve_exists
removed                     CodeAdded                        CodeAdded
removed, activating         reserve_exists                   reserve_exists
active                      CodeAdded                        not_expired
active, verifying           CodeAdded                        not_expired
active, verifying again     CodeAdded                        not_expired
active, ready               CodeAdded                        not_expired
active, ready, incoming     –                                –
active, refused             CodeAdded                        not_expired
active, answer awaited      reserve_exists                   not_expired
active, switched            CodeAdded                        not_expired
active, clone suspected     CodeAdded                        not_expired
active, block notice        CodeAdded                        not_expired
trial                       CodeAdded                        CodeAdded
trial, ready                CodeAdded                        reserve_exists
trial, activating           reserve_exists                   reserve_exists
subscription, ready         CodeAdded                        not_expired
late                        LicenseExpired + CodeAdded       LicenseExpired + CodeAdded
late, ready                 LicenseExpired + reserve_exists  LicenseExpired + reserve_exists
expired                     CodeAdded                        CodeAdded
expired, renewal announced  CodeAdded                        CodeAdded
expired, activating         reserve_exists                   reserve_exists
expired, overdue            reserve_exists                   reserve_exists
expired, unanswered         reserve_exists                   reserve_exists
… and incoming              –                                –
… and incoming is good      –                                –
expired, retrying           CodeRemoved + CodeAdded          reserve_exists
expired, purchase pending   CodeRemoved + CodeAdded          reserve_exists
expired, renewal due        CodeRemoved + CodeAdded          reserve_exists
expired, other region       CodeRemoved + CodeAdded          reserve_exists
expired, refused            CodeRemoved + CodeAdded          reserve_exists
expired, clicked often      CodeRemoved + CodeAdded          reserve_exists
expired, ready              CodeRemoved + CodeAdded          reserve_exists
expired, verifying          –                                –
expired, C reported         –                                –
… over refused B            –                                –
stopped                     CodeAdded                        CodeAdded
stopped, activating         reserve_exists                   reserve_exists

state                       add B now                   remove the reserve
unknown                     unknown_device              unknown_device
unlicensed                  CodeAdded                   –
unlicensed, throttled       throttled                   –
unlicensed, activating      –                           activation_running
seat released               CodeAdded                   –
released, reserve kept      –                           CodeRemoved
removed                     CodeAdded                   –
removed, activating         –                           activation_running
active                      not_expired                 –
active, verifying           –                           CodeRemoved
active, verifying again     –                           CodeRemoved
active, ready               –                           CodeRemoved
active, ready, incoming     –                           CodeRemoved + CodeRemoved
active, refused             –                           CodeRemoved
active, answer awaited      –                           activation_running
active, switched            same_as_current             –
active, clone suspected     not_expired                 –
active, block notice        –                           CodeRemoved
trial                       CodeAdded                   –
trial, ready                CodeRemoved + CodeAdded     CodeRemoved
trial, activating           –                           activation_running
subscription, ready         –                           CodeRemoved
late                        LicenseExpired + CodeAdded  LicenseExpired
late, ready                 LicenseExpired              LicenseExpired + activation_running
expired                     CodeAdded                   –
expired, renewal announced  CodeAdded                   –
expired, activating         –                           activation_running
expired, overdue            –                           activation_running
expired, unanswered         –                           activation_running
… and incoming              –                           activation_running
… and incoming is good      –                           activation_running
expired, retrying           –                           CodeRemoved
expired, purchase pending   –                           CodeRemoved
expired, renewal due        –                           CodeRemoved
expired, other region       –                           CodeRemoved
expired, refused            –                           CodeRemoved
expired, clicked often      –                           CodeRemoved
expired, ready              –                           CodeRemoved
expired, verifying          reserve_exists              CodeRemoved
expired, C reported         reserve_exists              activation_running
… over refused B            –                           activation_running
stopped                     CodeAdded                   –
stopped, activating         –                           activation_running

state                       remove the license                   removed offline
unknown                     unknown_device                       unknown_device
unlicensed                  no_license                           no_license
unlicensed, throttled       no_license                           no_license
unlicensed, activating      no_license                           no_license
seat released               no_license                           no_license
released, reserve kept      no_license                           no_license
removed                     no_license                           no_license
removed, activating         no_license                           no_license
active                      LicenseRemoved                       date_out_of_range
active, verifying           LicenseRemoved                       date_out_of_range
active, verifying again     LicenseRemoved                       date_out_of_range
active, ready               LicenseRemoved                       date_out_of_range
active, ready, incoming     LicenseRemoved                       date_out_of_range
active, refused             LicenseRemoved                       date_out_of_range
active, answer awaited      activation_running                   date_out_of_range
active, switched            LicenseRemoved                       no_license
active, clone suspected     LicenseRemoved                       date_out_of_range
active, block notice        LicenseRemoved                       date_out_of_range
trial                       LicenseRemoved                       date_out_of_range
trial, ready                LicenseRemoved                       date_out_of_range
trial, activating           activation_running                   date_out_of_range
subscription, ready         LicenseRemoved                       date_out_of_range
late                        LicenseExpired + LicenseRemoved      LicenseExpired + date_out_of_range
late, ready                 LicenseExpired + activation_running  LicenseExpired + date_out_of_range
expired                     LicenseRemoved                       date_out_of_range
expired, renewal announced  LicenseRemoved                       date_out_of_range
expired, activating         activation_running                   date_out_of_range
expired, overdue            activation_running                   date_out_of_range
expired, unanswered         activation_running                   date_out_of_range
… and incoming              activation_running                   date_out_of_range
… and incoming is good      activation_running                   date_out_of_range
expired, retrying           LicenseRemoved                       date_out_of_range
expired, purchase pending   LicenseRemoved                       date_out_of_range
expired, renewal due        LicenseRemoved                       date_out_of_range
expired, other region       LicenseRemoved                       date_out_of_range
expired, refused            LicenseRemoved                       date_out_of_range
expired, clicked often      LicenseRemoved                       date_out_of_range
expired, ready              LicenseRemoved                       date_out_of_range
expired, verifying          LicenseRemoved                       date_out_of_range
expired, C reported         activation_running                   date_out_of_range
… over refused B            activation_running                   date_out_of_range
stopped                     LicenseRemoved                       date_out_of_range
stopped, activating         activation_running                   date_out_of_range

state                       report A                                    report B
unknown                     unknown_device                              unknown_device
unlicensed                  OfflineActivationReported                   OfflineActivationReported
unlicensed, throttled       throttled                                   throttled
unlicensed, activating      activation_running                          activation_running
seat released               OfflineActivationReported                   OfflineActivationReported
released, reserve kept      OfflineActivationReported                   OfflineActivationReported
removed                     OfflineActivationReported                   OfflineActivationReported
removed, activating         activation_running                          activation_running
active                      already_activated                           not_expired
active, verifying           already_activated                           not_expired
active, verifying again     already_activated                           not_expired
active, ready               already_activated                           not_expired
active, ready, incoming     already_activated                           not_expired
active, refused             already_activated                           not_expired
active, answer awaited      already_activated                           not_expired
active, switched            not_expired                                 already_activated
active, clone suspected     already_activated                           not_expired
active, block notice        already_activated                           not_expired
trial                       already_activated                           not_expired
trial, ready                already_activated                           not_expired
trial, activating           already_activated                           not_expired
subscription, ready         already_activated                           not_expired
late                        LicenseExpired + OfflineActivationReported  LicenseExpired + OfflineActivationReported
late, ready                 LicenseExpired + activation_running         LicenseExpired + activation_running
expired                     OfflineActivationReported                   OfflineActivationReported
expired, renewal announced  OfflineActivationReported                   OfflineActivationReported
expired, activating         activation_running                          activation_running
expired, overdue            activation_running                          activation_running
expired, unanswered         activation_running                          activation_running
… and incoming              activation_running                          activation_running
… and incoming is good      activation_running                          activation_running
expired, retrying           OfflineActivationReported                   OfflineActivationReported
expired, purchase pending   OfflineActivationReported                   OfflineActivationReported
expired, renewal due        OfflineActivationReported                   OfflineActivationReported
expired, other region       OfflineActivationReported                   OfflineActivationReported
expired, refused            OfflineActivationReported                   OfflineActivationReported
expired, clicked often      OfflineActivationReported                   OfflineActivationReported
expired, ready              OfflineActivationReported                   OfflineActivationReported
expired, verifying          OfflineActivationReported                   OfflineActivationReported
expired, C reported         activation_running                          activation_running
… over refused B            activation_running                          activation_running
stopped                     OfflineActivationReported                   OfflineActivationReported
stopped, activating         activation_running                          activation_running

state                       report C                                    activate now
unknown                     unknown_device                              unknown_device
unlicensed                  OfflineActivationReported                   no_reserve
unlicensed, throttled       throttled                                   no_reserve
unlicensed, activating      activation_running                          –
seat released               OfflineActivationReported                   no_reserve
released, reserve kept      OfflineActivationReported                   ActivateNow
removed                     OfflineActivationReported                   no_reserve
removed, activating         activation_running                          –
active                      not_expired                                 no_reserve
active, verifying           not_expired                                 not_expired
active, verifying again     not_expired                                 not_expired
active, ready               not_expired                                 not_expired
active, ready, incoming     not_expired                                 not_expired
active, refused             not_expired                                 not_expired
active, answer awaited      not_expired                                 not_expired
active, switched            not_expired                                 already_activated
active, clone suspected     not_expired                                 no_reserve
active, block notice        not_expired                                 not_expired
trial                       not_expired                                 no_reserve
trial, ready                not_expired                                 not_expired
trial, activating           not_expired                                 not_expired
subscription, ready         not_expired                                 not_expired
late                        LicenseExpired + OfflineActivationReported  LicenseExpired + no_reserve
late, ready                 LicenseExpired + activation_running         LicenseExpired
expired                     OfflineActivationReported                   no_reserve
expired, renewal announced  OfflineActivationReported                   no_reserve
expired, activating         activation_running                          –
expired, overdue            activation_running                          –
expired, unanswered         activation_running                          ActivateNow
… and incoming              activation_running                          –
… and incoming is good      activation_running                          –
expired, retrying           OfflineActivationReported                   ActivateNow
expired, purchase pending   OfflineActivationReported                   ActivateNow
expired, renewal due        OfflineActivationReported                   ActivateNow
expired, other region       OfflineActivationReported                   ActivateNow
expired, refused            OfflineActivationReported                   ActivateNow
expired, clicked often      OfflineActivationReported                   throttled
expired, ready              OfflineActivationReported                   ActivateNow
expired, verifying          OfflineActivationReported                   ActivateNow
expired, C reported         activation_running                          –
… over refused B            activation_running                          –
stopped                     OfflineActivationReported                   no_reserve
stopped, activating         activation_running                          –

state                       activate B                   activate C                   end claimed     old end claimed
unknown                     unknown_device               unknown_device               unknown_device  unknown_device
unlicensed                  no_reserve                   no_reserve                   –               –
unlicensed, throttled       no_reserve                   no_reserve                   –               –
unlicensed, activating      –                            stale                        –               –
seat released               no_reserve                   no_reserve                   –               –
released, reserve kept      ActivateNow                  stale                        –               –
removed                     no_reserve                   no_reserve                   –               –
removed, activating         –                            stale                        –               –
active                      no_reserve                   no_reserve                   not_expired     stale
active, verifying           not_expired                  not_expired                  not_expired     stale
active, verifying again     not_expired                  not_expired                  not_expired     stale
active, ready               not_expired                  not_expired                  not_expired     stale
active, ready, incoming     not_expired                  not_expired                  not_expired     stale
active, refused             not_expired                  not_expired                  not_expired     stale
active, answer awaited      not_expired                  not_expired                  not_expired     stale
active, switched            already_activated            already_activated            not_expired     stale
active, clone suspected     no_reserve                   no_reserve                   not_expired     stale
active, block notice        not_expired                  not_expired                  not_expired     stale
trial                       no_reserve                   no_reserve                   not_expired     stale
trial, ready                not_expired                  not_expired                  not_expired     stale
trial, activating           not_expired                  not_expired                  not_expired     stale
subscription, ready         not_expired                  not_expired                  not_expired     stale
late                        LicenseExpired + no_reserve  LicenseExpired + no_reserve  LicenseExpired  stale
late, ready                 LicenseExpired               LicenseExpired + stale       LicenseExpired  stale
expired                     no_reserve                   no_reserve                   –               –
expired, renewal announced  no_reserve                   no_reserve                   –               –
expired, activating         –                            stale                        –               –
expired, overdue            –                            stale                        –               –
expired, unanswered         ActivateNow                  stale                        –               –
… and incoming              –                            stale                        –               –
… and incoming is good      –                            stale                        –               –
expired, retrying           ActivateNow                  stale                        –               –
expired, purchase pending   ActivateNow                  stale                        –               –
expired, renewal due        ActivateNow                  stale                        –               –
expired, other region       ActivateNow                  stale                        –               –
expired, refused            ActivateNow                  stale                        –               –
expired, clicked often      throttled                    stale                        –               –
expired, ready              ActivateNow                  stale                        –               –
expired, verifying          stale                        ActivateNow                  –               –
expired, C reported         stale                        –                            –               –
… over refused B            stale                        –                            –               –
stopped                     no_reserve                   no_reserve                   –               –
stopped, activating         –                            stale                        –               –

state                       expiry timer    retry timer        B verified    C verified
unknown                     unknown_device  unknown_device     –             –
unlicensed                  –               –                  –             –
unlicensed, throttled       –               –                  –             –
unlicensed, activating      –               –                  CodeVerified  –
seat released               –               –                  –             –
released, reserve kept      –               –                  –             –
removed                     –               –                  –             –
removed, activating         –               –                  –             –
active                      –               –                  –             –
active, verifying           –               –                  CodeVerified  –
active, verifying again     –               –                  –             –
active, ready               –               –                  –             –
active, ready, incoming     –               –                  –             CodeVerified + CodeRemoved
active, refused             –               –                  –             –
active, answer awaited      –               –                  –             –
active, switched            –               –                  –             –
active, clone suspected     –               –                  –             –
active, block notice        –               –                  –             –
trial                       –               –                  –             –
trial, ready                –               –                  –             –
trial, activating           –               –                  CodeVerified  –
subscription, ready         –               –                  –             –
late                        LicenseExpired  LicenseExpired     –             –
late, ready                 LicenseExpired  LicenseExpired     –             –
expired                     –               –                  –             –
expired, renewal announced  –               –                  –             –
expired, activating         –               –                  –             –
expired, overdue            –               no_answer          –             –
expired, unanswered         –               ActivationRetried  –             –
… and incoming              –               –                  –             CodeVerified
… and incoming is good      –               –                  –             –
expired, retrying           –               ActivationRetried  –             –
expired, purchase pending   –               –                  –             –
expired, renewal due        –               –                  –             –
expired, other region       –               –                  –             –
expired, refused            –               –                  –             –
expired, clicked often      –               –                  –             –
expired, ready              –               –                  –             –
expired, verifying          –               –                  –             CodeVerified + ActivationRetried
expired, C reported         –               –                  –             –
… over refused B            –               –                  –             –
stopped                     –               –                  –             –
stopped, activating         –               –                  –             –

state                       B rejected    C rejected    A activated again  A on another device  B on another device
unknown                     –             –             –                  –                    –
unlicensed                  –             –             LicenseActivated   –                    –
unlicensed, throttled       –             –             LicenseActivated   –                    –
unlicensed, activating      wrong_region  –             LicenseActivated   –                    PredictionChanged
seat released               –             –             LicenseActivated   –                    –
released, reserve kept      wrong_region  –             LicenseActivated   –                    PredictionChanged
removed                     –             –             LicenseActivated   –                    –
removed, activating         wrong_region  –             LicenseActivated   –                    PredictionChanged
active                      –             –             –                  –                    –
active, verifying           wrong_region  –             –                  –                    –
active, verifying again     –             –             –                  –                    PredictionChanged
active, ready               wrong_region  –             –                  –                    PredictionChanged
active, ready, incoming     wrong_region  wrong_region  –                  –                    PredictionChanged
active, refused             wrong_region  –             LicenseActivated   –                    PredictionChanged
active, answer awaited      wrong_region  –             LicenseActivated   –                    PredictionChanged
active, switched            –             –             LicenseActivated   –                    –
active, clone suspected     –             –             –                  –                    –
active, block notice        wrong_region  –             –                  –                    PredictionChanged
trial                       –             –             –                  –                    –
trial, ready                wrong_region  –             –                  –                    PredictionChanged
trial, activating           wrong_region  –             –                  –                    PredictionChanged
subscription, ready         wrong_region  –             –                  –                    PredictionChanged
late                        –             –             –                  –                    –
late, ready                 wrong_region  –             –                  –                    PredictionChanged
expired                     –             –             LicenseActivated   –                    –
expired, renewal announced  –             –             LicenseActivated   –                    –
expired, activating         wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, overdue            wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, unanswered         wrong_region  –             LicenseActivated   –                    PredictionChanged
… and incoming              wrong_region  wrong_region  LicenseActivated   –                    PredictionChanged
… and incoming is good      wrong_region  wrong_region  LicenseActivated   –                    PredictionChanged
expired, retrying           wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, purchase pending   wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, renewal due        wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, other region       wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, refused            wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, clicked often      wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, ready              wrong_region  –             LicenseActivated   –                    PredictionChanged
expired, verifying          –             wrong_region  LicenseActivated   –                    –
expired, C reported         –             –             LicenseActivated   –                    –
… over refused B            wrong_region  –             LicenseActivated   –                    PredictionChanged
stopped                     –             –             LicenseActivated   –                    –
stopped, activating         wrong_region  –             LicenseActivated   –                    PredictionChanged

state                       B activated       B blocked
unknown                     –                 –
unlicensed                  LicenseActivated  –
unlicensed, throttled       LicenseActivated  –
unlicensed, activating      LicenseActivated  code_blocked
seat released               LicenseActivated  –
released, reserve kept      LicenseActivated  –
removed                     LicenseActivated  –
removed, activating         LicenseActivated  code_blocked
active                      LicenseActivated  –
active, verifying           LicenseActivated  –
active, verifying again     LicenseActivated  –
active, ready               LicenseActivated  –
active, ready, incoming     LicenseActivated  –
active, refused             LicenseActivated  –
active, answer awaited      LicenseActivated  code_blocked
active, switched            LicenseActivated  –
active, clone suspected     LicenseActivated  –
active, block notice        LicenseActivated  –
trial                       LicenseActivated  –
trial, ready                LicenseActivated  –
trial, activating           LicenseActivated  code_blocked
subscription, ready         LicenseActivated  –
late                        LicenseActivated  –
late, ready                 LicenseActivated  –
expired                     LicenseActivated  –
expired, renewal announced  LicenseActivated  –
expired, activating         LicenseActivated  code_blocked
expired, overdue            LicenseActivated  code_blocked
expired, unanswered         LicenseActivated  code_blocked
… and incoming              LicenseActivated  code_blocked
… and incoming is good      LicenseActivated  code_blocked + CodeRemoved + ActivationRetried
expired, retrying           LicenseActivated  –
expired, purchase pending   LicenseActivated  –
expired, renewal due        LicenseActivated  –
expired, other region       LicenseActivated  –
expired, refused            LicenseActivated  –
expired, clicked often      LicenseActivated  –
expired, ready              LicenseActivated  –
expired, verifying          LicenseActivated  –
expired, C reported         LicenseActivated  –
… over refused B            LicenseActivated  –
stopped                     LicenseActivated  –
stopped, activating         LicenseActivated  code_blocked

state                       A runs on                  B delayed
unknown                     –                          –
unlicensed                  –                          –
unlicensed, throttled       –                          –
unlicensed, activating      stale + ActivationRetried  purchase_pending
seat released               –                          –
released, reserve kept      –                          –
removed                     –                          –
removed, activating         stale + ActivationRetried  purchase_pending
active                      –                          –
active, verifying           –                          –
active, verifying again     –                          –
active, ready               –                          –
active, ready, incoming     –                          –
active, refused             –                          –
active, answer awaited      stale                      purchase_pending
active, switched            –                          –
active, clone suspected     –                          –
active, block notice        –                          –
trial                       –                          –
trial, ready                –                          –
trial, activating           stale                      purchase_pending
subscription, ready         –                          –
late                        –                          –
late, ready                 –                          –
expired                     –                          –
expired, renewal announced  –                          –
expired, activating         stale                      purchase_pending
expired, overdue            stale                      purchase_pending
expired, unanswered         stale                      purchase_pending
… and incoming              stale                      purchase_pending
… and incoming is good      stale + CodeRemoved        purchase_pending + CodeRemoved + ActivationRetried
expired, retrying           –                          –
expired, purchase pending   –                          –
expired, renewal due        –                          –
expired, other region       –                          –
expired, refused            –                          –
expired, clicked often      –                          –
expired, ready              –                          –
expired, verifying          –                          –
expired, C reported         –                          –
… over refused B            –                          –
stopped                     –                          –
stopped, activating         stale                      purchase_pending

state                       A renewed       B renewed          A shortened       B shortened        A stops
unknown                     –               –                  –                 –                  –
unlicensed                  –               –                  –                 –                  –
unlicensed, throttled       –               –                  –                 –                  –
unlicensed, activating      –               PredictionChanged  –                 PredictionChanged  –
seat released               –               –                  –                 –                  –
released, reserve kept      –               PredictionChanged  –                 PredictionChanged  –
removed                     –               –                  –                 –                  –
removed, activating         –               PredictionChanged  –                 PredictionChanged  –
active                      LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
active, verifying           LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
active, verifying again     LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
active, ready               LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
active, ready, incoming     LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
active, refused             –               PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
active, answer awaited      –               PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
active, switched            –               LicenseRenewed     –                 LicenseShortened   –
active, clone suspected     LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
active, block notice        LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  –
trial                       LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
trial, ready                LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
trial, activating           LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
subscription, ready         LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
late                        LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
late, ready                 LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired                     LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
expired, renewal announced  LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
expired, activating         LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, overdue            LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, unanswered         LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
… and incoming              LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
… and incoming is good      LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, retrying           LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, purchase pending   LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, renewal due        LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, other region       LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, refused            LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, clicked often      LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, ready              LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
expired, verifying          LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
expired, C reported         LicenseRenewed  –                  LicenseShortened  –                  CodeBlocked
… over refused B            LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  CodeBlocked
stopped                     LicenseRenewed  –                  LicenseShortened  –                  –
stopped, activating         LicenseRenewed  PredictionChanged  LicenseShortened  PredictionChanged  –

state                       B stops      A unblocked    A announced        A cancelled
unknown                     –            –              –                  –
unlicensed                  –            –              –                  –
unlicensed, throttled       –            –              –                  –
unlicensed, activating      –            –              –                  –
seat released               –            –              –                  –
released, reserve kept      –            –              –                  –
removed                     –            –              –                  –
removed, activating         –            –              –                  –
active                      –            –              PurchaseAnnounced  –
active, verifying           –            –              PurchaseAnnounced  –
active, verifying again     –            –              PurchaseAnnounced  –
active, ready               –            –              PurchaseAnnounced  –
active, ready, incoming     –            –              PurchaseAnnounced  –
active, refused             –            –              PurchaseAnnounced  –
active, answer awaited      –            –              PurchaseAnnounced  –
active, switched            CodeBlocked  –              –                  –
active, clone suspected     –            –              PurchaseAnnounced  –
active, block notice        –            CodeUnblocked  PurchaseAnnounced  –
trial                       –            –              PurchaseAnnounced  –
trial, ready                –            –              PurchaseAnnounced  –
trial, activating           –            –              PurchaseAnnounced  –
subscription, ready         –            –              PurchaseAnnounced  –
late                        –            –              PurchaseAnnounced  –
late, ready                 –            –              PurchaseAnnounced  –
expired                     –            –              PurchaseAnnounced  –
expired, renewal announced  –            –              –                  PurchaseCancelled
expired, activating         –            –              PurchaseAnnounced  –
expired, overdue            –            –              PurchaseAnnounced  –
expired, unanswered         –            –              PurchaseAnnounced  –
… and incoming              –            –              PurchaseAnnounced  –
… and incoming is good      –            –              PurchaseAnnounced  –
expired, retrying           –            –              PurchaseAnnounced  –
expired, purchase pending   –            –              –                  PurchaseCancelled + ActivationRetried
expired, renewal due        –            –              PurchaseAnnounced  –
expired, other region       –            –              PurchaseAnnounced  –
expired, refused            –            –              PurchaseAnnounced  –
expired, clicked often      –            –              PurchaseAnnounced  –
expired, ready              –            –              PurchaseAnnounced  –
expired, verifying          –            –              PurchaseAnnounced  –
expired, C reported         –            –              PurchaseAnnounced  –
… over refused B            –            –              PurchaseAnnounced  –
stopped                     –            CodeUnblocked  PurchaseAnnounced  –
stopped, activating         –            CodeUnblocked  PurchaseAnnounced  –

state                       A renews no more                        A released                        A released alone
unknown                     –                                       –                                 –
unlicensed                  –                                       –                                 –
unlicensed, throttled       –                                       –                                 –
unlicensed, activating      –                                       –                                 –
seat released               –                                       –                                 –
released, reserve kept      –                                       –                                 –
removed                     –                                       –                                 –
removed, activating         –                                       –                                 –
active                      –                                       SeatReleased                      SeatReleased
active, verifying           –                                       SeatReleased                      SeatReleased
active, verifying again     –                                       SeatReleased                      SeatReleased
active, ready               –                                       SeatReleased + ActivationRetried  SeatReleased
active, ready, incoming     –                                       SeatReleased + ActivationRetried  SeatReleased
active, refused             –                                       SeatReleased + ActivationRetried  SeatReleased
active, answer awaited      –                                       SeatReleased                      SeatReleased
active, switched            –                                       –                                 –
active, clone suspected     –                                       SeatReleased                      SeatReleased
active, block notice        –                                       SeatReleased + ActivationRetried  SeatReleased
trial                       –                                       SeatReleased                      SeatReleased
trial, ready                –                                       SeatReleased + ActivationRetried  SeatReleased
trial, activating           –                                       SeatReleased                      SeatReleased
subscription, ready         AutoRenewalChanged                      SeatReleased + ActivationRetried  SeatReleased
late                        –                                       SeatReleased                      SeatReleased
late, ready                 –                                       SeatReleased + ActivationRetried  SeatReleased
expired                     –                                       SeatReleased                      SeatReleased
expired, renewal announced  –                                       SeatReleased                      SeatReleased
expired, activating         –                                       SeatReleased                      SeatReleased
expired, overdue            –                                       SeatReleased                      SeatReleased
expired, unanswered         –                                       SeatReleased                      SeatReleased
… and incoming              –                                       SeatReleased                      SeatReleased
… and incoming is good      –                                       SeatReleased                      SeatReleased
expired, retrying           –                                       SeatReleased + ActivationRetried  SeatReleased
expired, purchase pending   –                                       SeatReleased + ActivationRetried  SeatReleased
expired, renewal due        AutoRenewalChanged + ActivationRetried  SeatReleased + ActivationRetried  SeatReleased
expired, other region       –                                       SeatReleased + ActivationRetried  SeatReleased
expired, refused            –                                       SeatReleased + ActivationRetried  SeatReleased
expired, clicked often      –                                       SeatReleased + ActivationRetried  SeatReleased
expired, ready              –                                       SeatReleased + ActivationRetried  SeatReleased
expired, verifying          –                                       SeatReleased                      SeatReleased
expired, C reported         –                                       SeatReleased                      SeatReleased
… over refused B            –                                       SeatReleased                      SeatReleased
stopped                     –                                       SeatReleased                      SeatReleased
stopped, activating         –                                       SeatReleased                      SeatReleased

state                       B released    A left behind  A given back  issued  not renewed  A followed  told late
unknown                     –             –              –             –       –            –           –
unlicensed                  –             –              –             –       –            –           –
unlicensed, throttled       –             –              –             –       –            –           –
unlicensed, activating      –             –              –             –       –            –           –
seat released               –             –              –             –       –            –           –
released, reserve kept      –             –              –             –       –            –           –
removed                     –             –              –             –       –            –           –
removed, activating         –             –              –             –       –            –           –
active                      –             –              –             –       –            –           –
active, verifying           –             –              –             –       –            –           –
active, verifying again     –             –              –             –       –            –           –
active, ready               –             –              –             –       –            –           –
active, ready, incoming     –             –              –             –       –            –           –
active, refused             –             –              –             –       –            –           –
active, answer awaited      –             –              –             –       –            –           –
active, switched            SeatReleased  –              –             –       –            –           –
active, clone suspected     –             –              –             –       –            –           –
active, block notice        –             –              –             –       –            –           –
trial                       –             –              –             –       –            –           –
trial, ready                –             –              –             –       –            –           –
trial, activating           –             –              –             –       –            –           –
subscription, ready         –             –              –             –       –            –           –
late                        –             –              –             –       –            –           –
late, ready                 –             –              –             –       –            –           –
expired                     –             –              –             –       –            –           –
expired, renewal announced  –             –              –             –       –            –           –
expired, activating         –             –              –             –       –            –           –
expired, overdue            –             –              –             –       –            –           –
expired, unanswered         –             –              –             –       –            –           –
… and incoming              –             –              –             –       –            –           –
… and incoming is good      –             –              –             –       –            –           –
expired, retrying           –             –              –             –       –            –           –
expired, purchase pending   –             –              –             –       –            –           –
expired, renewal due        –             –              –             –       –            –           –
expired, other region       –             –              –             –       –            –           –
expired, refused            –             –              –             –       –            –           –
expired, clicked often      –             –              –             –       –            –           –
expired, ready              –             –              –             –       –            –           –
expired, verifying          –             –              –             –       –            –           –
expired, C reported         –             –              –             –       –            –           –
… over refused B            –             –              –             –       –            –           –
stopped                     –             –              –             –       –            –           –
stopped, activating         –             –              –             –       –            –           –

state                       customer erased
unknown                     –
unlicensed                  –
unlicensed, throttled       –
unlicensed, activating      –
seat released               –
released, reserve kept      –
removed                     –
removed, activating         –
active                      –
active, verifying           –
active, verifying again     –
active, ready               –
active, ready, incoming     –
active, refused             –
active, answer awaited      –
active, switched            –
active, clone suspected     –
active, block notice        –
trial                       –
trial, ready                –
trial, activating           –
subscription, ready         –
late                        –
late, ready                 –
expired                     –
expired, renewal announced  –
expired, activating         –
expired, overdue            –
expired, unanswered         –
… and incoming              –
… and incoming is good      –
expired, retrying           –
expired, purchase pending   –
expired, renewal due        –
expired, other region       –
expired, refused            –
expired, clicked often      –
expired, ready              –
expired, verifying          –
expired, C reported         –
… over refused B            –
stopped                     –
stopped, activating         –

state                       once more                        counted on           new token
unknown                     unknown_device                   unknown_device       unknown_device
unlicensed                  CloneSuspected                   –                    –
unlicensed, throttled       CloneSuspected                   –                    –
unlicensed, activating      CloneSuspected                   –                    –
seat released               CloneSuspected                   –                    –
released, reserve kept      CloneSuspected                   –                    –
removed                     CloneSuspected                   –                    –
removed, activating         CloneSuspected                   –                    –
active                      CloneSuspected                   –                    –
active, verifying           CloneSuspected                   –                    –
active, verifying again     CloneSuspected                   –                    –
active, ready               CloneSuspected                   –                    –
active, ready, incoming     CloneSuspected                   –                    –
active, refused             CloneSuspected                   –                    –
active, answer awaited      CloneSuspected                   –                    –
active, switched            CloneSuspected                   –                    –
active, clone suspected     –                                CloneSuspicionEnded  CloneSuspicionEnded
active, block notice        CloneSuspected                   –                    –
trial                       CloneSuspected                   –                    –
trial, ready                CloneSuspected                   –                    –
trial, activating           CloneSuspected                   –                    –
subscription, ready         CloneSuspected                   –                    –
late                        LicenseExpired + CloneSuspected  LicenseExpired       –
late, ready                 LicenseExpired + CloneSuspected  LicenseExpired       –
expired                     CloneSuspected                   –                    –
expired, renewal announced  CloneSuspected                   –                    –
expired, activating         CloneSuspected                   –                    –
expired, overdue            CloneSuspected                   –                    –
expired, unanswered         CloneSuspected                   –                    –
… and incoming              CloneSuspected                   –                    –
… and incoming is good      CloneSuspected                   –                    –
expired, retrying           CloneSuspected                   –                    –
expired, purchase pending   CloneSuspected                   –                    –
expired, renewal due        CloneSuspected                   –                    –
expired, other region       CloneSuspected                   –                    –
expired, refused            CloneSuspected                   –                    –
expired, clicked often      CloneSuspected                   –                    –
expired, ready              CloneSuspected                   –                    –
expired, verifying          CloneSuspected                   –                    –
expired, C reported         CloneSuspected                   –                    –
… over refused B            CloneSuspected                   –                    –
stopped                     CloneSuspected                   –                    –
stopped, activating         CloneSuspected                   –                    –

state                       same region
unknown                     unknown_device
unlicensed                  –
unlicensed, throttled       –
unlicensed, activating      –
seat released               –
released, reserve kept      –
removed                     –
removed, activating         –
active                      –
active, verifying           –
active, verifying again     RegionCorrected + VerificationRepeated
active, ready               –
active, ready, incoming     –
active, refused             –
active, answer awaited      –
active, switched            –
active, clone suspected     –
active, block notice        –
trial                       –
trial, ready                –
trial, activating           –
subscription, ready         –
late                        LicenseExpired
late, ready                 LicenseExpired
expired                     –
expired, renewal announced  –
expired, activating         –
expired, overdue            –
expired, unanswered         –
… and incoming              –
… and incoming is good      –
expired, retrying           –
expired, purchase pending   –
expired, renewal due        –
expired, other region       –
expired, refused            –
expired, clicked often      –
expired, ready              –
expired, verifying          –
expired, C reported         –
… over refused B            –
stopped                     –
stopped, activating         –

state                       other region
unknown                     unknown_device
unlicensed                  RegionCorrected
unlicensed, throttled       RegionCorrected
unlicensed, activating      RegionCorrected + ActivationRetried
seat released               RegionCorrected
released, reserve kept      RegionCorrected + VerificationRepeated
removed                     RegionCorrected
removed, activating         RegionCorrected + ActivationRetried
active                      RegionCorrected
active, verifying           RegionCorrected + VerificationRepeated
active, verifying again     –
active, ready               RegionCorrected + VerificationRepeated
active, ready, incoming     RegionCorrected + VerificationRepeated + VerificationRepeated
active, refused             RegionCorrected + VerificationRepeated
active, answer awaited      RegionCorrected + VerificationRepeated
active, switched            RegionCorrected
active, clone suspected     RegionCorrected
active, block notice        RegionCorrected + VerificationRepeated
trial                       RegionCorrected
trial, ready                RegionCorrected + VerificationRepeated
trial, activating           RegionCorrected + ActivationRetried
subscription, ready         RegionCorrected + VerificationRepeated
late                        LicenseExpired + RegionCorrected
late, ready                 LicenseExpired + RegionCorrected + ActivationRetried
expired                     RegionCorrected
expired, renewal announced  RegionCorrected
expired, activating         RegionCorrected + ActivationRetried
expired, overdue            RegionCorrected + ActivationRetried
expired, unanswered         RegionCorrected + ActivationRetried
… and incoming              RegionCorrected + ActivationRetried + VerificationRepeated
… and incoming is good      RegionCorrected + ActivationRetried + VerificationRepeated
expired, retrying           RegionCorrected
expired, purchase pending   RegionCorrected
expired, renewal due        RegionCorrected
expired, other region       RegionCorrected + ActivationRetried
expired, refused            RegionCorrected
expired, clicked often      RegionCorrected
expired, ready              RegionCorrected + VerificationRepeated
expired, verifying          RegionCorrected + VerificationRepeated
expired, C reported         RegionCorrected + OfflineActivationReported
… over refused B            RegionCorrected + OfflineActivationReported
stopped                     RegionCorrected
stopped, activating         RegionCorrected + ActivationRetried
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
