"""Notes which decisions of a policy a replay looked at: what it did not look at cannot have changed it."""

from typing import Any, cast

from shared.rules.policy import Policy

NAMES_ONLY = frozenset({"name", "version"})
"""What every event tells of its policy; nothing is decided by it."""


class Consulted:
    """A policy that remembers which of its decisions were read."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.keys: set[str] = set()

    def __getattr__(self, key: str) -> Any:
        self.keys.add(key)
        return getattr(self._policy, key)

    def as_policy(self) -> Policy:
        """Return this for the rules, which only ever read."""
        return cast("Policy", self)


def differing(ours: Policy, other: Policy) -> frozenset[str]:
    """Return the decisions that two policies take otherwise."""
    keys = set(Policy.model_fields) - NAMES_ONLY
    return frozenset(key for key in keys if getattr(ours, key) != getattr(other, key))
