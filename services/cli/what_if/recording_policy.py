"""Records which keys of a policy a replay reads: the others cannot have affected it."""

from typing import Any, cast

from shared.rules.policy import Policy

NAMES_ONLY = frozenset({"name", "version"})
"""Recorded in every event; nothing is decided by them."""


class RecordingPolicy:
    """A policy that records which of its keys were read."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.keys_read: set[str] = set()

    def __getattr__(self, key: str) -> Any:
        self.keys_read.add(key)
        return getattr(self._policy, key)

    def as_policy(self) -> Policy:
        """Return this as a `Policy` for the rules, which only read it."""
        return cast("Policy", self)


def differing_keys(ours: Policy, other: Policy) -> frozenset[str]:
    """Return the keys in which two policies differ."""
    keys = set(Policy.model_fields) - NAMES_ONLY
    return frozenset(key for key in keys if getattr(ours, key) != getattr(other, key))
