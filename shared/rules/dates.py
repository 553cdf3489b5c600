"""Which date counts of those that somebody outside tells: one rule for every door (R-131). Pure."""

from datetime import datetime
from typing import Annotated

from pydantic import PlainSerializer

from shared.calendar import instant
from shared.rules.policy import Policy

Written = Annotated[datetime, PlainSerializer(instant, when_used="json")]
"""A time that an answer tells: in JSON in the one spelling."""


def lies_ahead(told: datetime, *, at: datetime, policy: Policy) -> bool:
    """Tell whether a date lies further ahead of the server's time `at` than the policy tolerates of a fast clock."""
    return told - at > policy.clock_tolerance


def counted(told: datetime, *, at: datetime) -> datetime:
    """Return the date that counts and is recorded: no later than the server's time `at`."""
    return min(told, at)
