"""The input of the checks: the device as it is, and what was requested."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.device.decider.queries import in_force
from services.device.decider.state import Device
from shared.messages import Reason
from shared.rules.checks import Check as AnyCheck
from shared.rules.policy import POLICY, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Case[Asked]:
    """The input of the checks."""

    device: Device
    asked: Asked
    policy: Policy = POLICY


class Check[Asked](AnyCheck[Case[Asked], Reason]):
    """One rule for requests of one kind."""


def runs_until(case: Case[Any]) -> datetime | None:
    """Return when the device's license is over, if it has one."""
    return None if case.device.license is None else case.device.license.over_at


def runs(case: Case[Any]) -> bool:
    """Tell whether a license is in force at the time of the request."""
    return in_force(case.device, case.asked.at)


def has_current(case: Case[Any]) -> bool:
    """Tell whether the requested code is the license in force."""
    current = case.device.license
    return runs(case) and current is not None and current.code_ref == case.asked.code_ref
