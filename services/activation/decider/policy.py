"""What the vendor decided rather than the rules: one named, numbered value; verdicts carry its version (R-54)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One set of the vendor's decisions. A change is a new version, never an edit: old verdicts name the old one."""

    name: str
    version: int
    settlement_hold: timedelta
    """How long a purchase that is announced but not settled holds the switch away from its code (R-70)."""


POLICY = Policy(name="first", version=1, settlement_hold=timedelta(days=3))
"""The policy in use."""
