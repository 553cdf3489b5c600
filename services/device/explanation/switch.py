"""What became of the code that waits on a device, or will. Pure."""

from collections.abc import Sequence
from datetime import datetime

from services.device.decider import Device, Reserve, in_force
from services.device.explanation.parts import (
    Answer,
    Rule,
    Told,
    change_of,
    evidence,
    findings,
    further,
    last,
    meaning,
)
from shared.messages import ActivationDelayed, ActivationRefused, LicenseExpired
from shared.rules.checks import moment


def switch_answer(device: Device, life: Sequence[Told], at: datetime) -> list[Answer]:
    """What became of the code that waits, or will."""
    reserve = device.reserve
    if reserve is None:
        return [] if in_force(device, at) or device.license is None else [_nothing_waits(life)]
    answered = last(life, ActivationRefused, ActivationDelayed, code_ref=reserve.code_ref)
    requests = {reserve.added_request_id, reserve.attempt_request_id} - {None}
    decisive = [answered] if answered is not None and reserve.status in ("refused", "retrying") else []
    rules = findings(decisive[0].event) if decisive else ()
    return [
        Answer(
            about="switch",
            sentence=_said_of_reserve(reserve, device),
            rules=rules,
            evidence=evidence(told for told in life if getattr(told.event, "request_id", None) in requests),
            change=change_of(rules),
            further=tuple(one for told in decisive for one in further(told, reserve.code_ref, device.license)),
        )
    ]


def _nothing_waits(life: Sequence[Told]) -> Answer:
    return Answer(
        about="switch",
        sentence="No code waited in reserve, so that nothing took over.",
        rules=(Rule(rule="R-35", reason="no_reserve", passed=False, change="a code in reserve before the end"),),
        evidence=evidence([told for told in [last(life, LicenseExpired)] if told]),
        change="a code in reserve before the end",
    )


def _said_of_reserve(reserve: Reserve, device: Device) -> str:
    name = f"The code …{reserve.last_group}"
    match reserve.status:
        case "refused":
            return f"{name} that waits in reserve was refused: {meaning(reserve.reason)}"
        case "retrying":
            waits = {"purchase_pending": "a purchase that is not settled", "renewal_due": "the subscription to renew"}
            cause = waits.get(reserve.delay or "", "an answer of the activation service")
            return f"{name} waits for {cause} and is tried again at {moment(reserve.retry_at)}."
        case "activating":
            return f"{name} is being activated; its answer is awaited."
        case "verifying":
            return f"{name} is being verified; its verdict is awaited."
        case "ready" if device.license is not None and not device.license.expired:
            return f"{name} waits in reserve and will be tried at {moment(device.license.over_at)}."
        case "ready":
            return f"{name} waits in reserve and can be activated by hand."
