"""The life of a device: what its users, its timers and the device itself made happen."""

from typing import Literal

from shared.messages.facts import ActivationRequest, Attempt, ForDevice, Installation
from shared.messages.fields import CodeRef, DeviceId, LastGroup, Moment, Note, Notice, PublicKey, Reason, Region, Sealed


class DeviceEnrolled(Installation):
    """A device is known from now on.

    An add-on product has a license, a slot and a stream of its own, `part_of` its device (R-42). With the
    `public_key` the device's own statements are checked (R-114).
    """

    part_of: DeviceId | None = None
    sealed_name: Sealed | None = None
    public_key: PublicKey | None = None


class InstallationChanged(Installation):
    """Another product or version is installed: the next check of a code looks at it (R-48)."""


class RegionCorrected(ForDevice):
    """The device is in `region`, not where it was said to be: the next check of a code looks at it (R-137)."""

    region: Region
    previous_region: Region
    note: Note = ""


class CodeAdded(ActivationRequest):
    """A person pressed Add. `purpose` says whether it waits in reserve or is tried at once (R-01, R-04).

    `ends_trial`: the user wants it now, in place of the trial that still runs (R-26).
    """

    last_group: LastGroup
    purpose: Literal["reserve", "immediate"]
    ends_trial: bool = False


class CodeRemoved(ForDevice):
    """The reserve slot gave its code back, unspent (R-20, R-24)."""

    code_ref: CodeRef
    cause: Literal["removed", "replaced"]


class RemovalRefused(ForDevice):
    """A reserve or a license could not be removed: there is none, or its activation is running."""

    reason: Reason
    code_ref: CodeRef | None = None


class LicenseExpired(Attempt):
    """The current license ran out at `ended_at`; `reserve_ref` is the code that should take over (R-31).

    A blocked license stops before its term is over (R-105).
    """

    code_ref: CodeRef
    ended_at: Moment
    generation: int
    reserve_ref: CodeRef | None = None
    cause: Literal["term_over", "blocked"] = "term_over"


class LicenseRemoved(Attempt):
    """The device gave its license back; `reserve_ref` is the code that should take over (R-25).

    `deactivated_offline`: it was removed at `removed_at` while the device was away, as its signed proof says (R-114).
    """

    code_ref: CodeRef
    removed_at: Moment
    reserve_ref: CodeRef | None = None
    cause: Literal["removed", "deactivated_offline"] = "removed"


class ActivateNow(ActivationRequest):
    """The user asked for the activation, after expiry (R-55). If it fails, it may be asked for at `again_at` (R-64)."""

    again_at: Moment | None = None


class ActivationRetried(ActivationRequest):
    """A delayed activation is tried again (R-49), in place of a trial that runs if the code was added so (R-26)."""

    ends_trial: bool = False


class VerificationRepeated(ActivationRequest):
    """A waiting code is verified again, for the device's region was corrected (R-137).

    `verified_before`: it was good once, so it stays whatever the answer is, marked refused if that is bad (R-46).
    """

    verified_before: bool = False


class OfflineActivationReported(ActivationRequest):
    """The device activated the code at `activated_at` by itself, and tells it now (R-77)."""

    last_group: LastGroup
    activated_at: Moment


class PredictionChanged(ForDevice):
    """The code in reserve will end at another time than was told: it was started or renewed elsewhere (R-73)."""

    code_ref: CodeRef
    predicted_ends_at: Moment
    started_at: Moment | None = None
    notices: tuple[Notice, ...] = ()


class GuessesThrottled(ForDevice):
    """Too many unknown codes: the device may add the next one at `until`; no code is locked (R-107)."""

    guesses: int
    until: Moment


class CloneSuspected(ForDevice):
    """The device counted `received` where `expected` was due: its identity may be in use twice (R-88)."""

    expected: int
    received: int


class CloneSuspicionEnded(ForDevice):
    """The device has a new token, or has counted on for a while: one device uses its identity (R-138)."""

    cause: Literal["new_token", "counted_on"]


class DeviceClockObserved(ForDevice):
    """The device's clock began or ceased to deviate from the server's, by which all is decided (R-111).

    `offset_seconds` is the device's time less the server's.
    """

    offset_seconds: int
    deviates: bool
