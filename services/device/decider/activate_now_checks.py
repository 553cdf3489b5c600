"""When Activate now is available, and if not, why: the rules as named values (R-55).

The page shows this before anybody clicks, so there need not be a command.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.device.decider.case import Case, Check, has_current, runs, runs_until
from services.device.decider.state import Device
from shared.messages import CodeRef, Reason
from shared.rules.checks import first_broken, moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A possible click on Activate now, on a page that shows the code `code_ref`, if any (R-61)."""

    at: datetime
    code_ref: CodeRef | None = None


class ActivateNowAnswer(NamedTuple):
    """Whether Activate now is available; if not, why, and from when on."""

    allowed: bool
    reason: Reason | None = None
    available_at: datetime | None = None


def may_activate_now(device: Device, now: datetime, shown: CodeRef | None = None) -> ActivateNowAnswer:
    """Return whether Activate now is available at `now`, on a page that shows the code `shown` (R-55)."""
    broken = first_broken(ACTIVATE_NOW, Case(device=device, asked=Click(at=now, code_ref=shown)))
    return ActivateNowAnswer(True) if broken is None else ActivateNowAnswer(False, broken.reason, broken.passes_at)


def _has_switched(case: Case[Click]) -> bool:
    current, device = case.device.license, case.device
    return has_current(case) or (
        runs(case) and device.reserve is None and current is not None and current.trigger != "immediate"
    )


def _shows_another(case: Case[Click]) -> bool:
    reserve = case.device.reserve
    # never consume a code that the user did not see
    return reserve is not None and case.asked.code_ref not in (None, reserve.code_ref)


def _is_trying(case: Case[Click]) -> bool:
    return case.device.reserve is not None and case.device.reserve.status == "activating"


def _again_at(case: Case[Click]) -> datetime | None:
    return None if case.device.reserve is None else case.device.reserve.again_at


def _clicks_too_soon(case: Case[Click]) -> bool:
    again_at = _again_at(case)
    return again_at is not None and case.asked.at < again_at


ALREADY_ACTIVATED = Check[Click](
    reason="already_activated",
    rule="R-57",
    broken=_has_switched,
    change="nothing: the code is the license of this device",
)
NO_RESERVE = Check[Click](
    reason="no_reserve", rule="R-58", broken=lambda case: case.device.reserve is None, change="a code in reserve"
)
NOT_EXPIRED = Check[Click](
    reason="not_expired",
    rule="R-56, R-65",
    broken=runs,
    change=lambda case: f"the same request at {moment(runs_until(case))} or later",
    passes_at=runs_until,
)
STALE = Check[Click](
    reason="stale", rule="R-61", broken=_shows_another, change="a page that shows the code that is in reserve by now"
)
ACTIVATION_RUNNING = Check[Click](
    reason="activation_running", rule="R-55, R-60", broken=_is_trying, change="an answer to the attempt that runs"
)
THROTTLED = Check[Click](
    reason="throttled",
    rule="R-64",
    broken=_clicks_too_soon,
    change=lambda case: f"the same request at {moment(_again_at(case))} or later",
    passes_at=_again_at,
)
ACTIVATE_NOW = (ALREADY_ACTIVATED, NO_RESERVE, NOT_EXPIRED, STALE, ACTIVATION_RUNNING, THROTTLED)
