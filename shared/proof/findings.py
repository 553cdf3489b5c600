"""What can be wrong with a log, each under a stable code. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MEANINGS: Mapping[str, str] = {
    "position_gap": "events of a slice are missing in the ledger",
    "broken_chain": "an event was changed, or does not follow the one before it",
    "wrong_slice": "an event is in a slice that is not its stream's",
    "version_gap": "a stream's versions are not consecutive",
    "wrong_head": "the head of a slice is not its last event",
    "published_ahead": "more events are marked as sent than exist",
    "topic_missing": "the topic does not exist",
    "missing_in_topic": "events that were sent are not in the topic, or come after such a gap",
    "differs_in_topic": "consumers accept a record that differs from the ledger's event",
    "not_in_ledger": "consumers accept a record that the ledger does not have",
    "doubled_in_topic": "a record is in the topic twice; consumers drop the duplicate",
    "stray_in_topic": "the topic has a record that consumers park: it is not an event of this ledger",
    "history_rewritten": "the ledger's events are not the ones under a signed checkpoint",
    "history_cut": "the ledger has fewer events than a signed checkpoint",
    "checkpoint_unreadable": "a file is not a checkpoint",
    "checkpoint_newer_format": "a newer release wrote the checkpoint",
    "checkpoint_wrong_root": "a checkpoint's heads are not the ones that were signed",
    "checkpoint_unknown_key": "a checkpoint is signed with a key that is not trusted",
    "checkpoint_bad_signature": "a checkpoint was changed after it was signed",
    "checkpoint_malformed_signature": "a checkpoint's signature cannot be read",
    "checkpoint_wrong_kind": "the signed document is not a checkpoint",
}
"""Every code and its meaning."""

HARMLESS = frozenset({"doubled_in_topic", "stray_in_topic"})
"""Reported, but no failure of the check: consumers skip such a record, and nobody can delete it from a topic."""

LISTED_MAX = 200
"""How many findings of one code are listed; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `position` is the first affected position."""

    code: str
    ledger: str
    detail: str
    slice: int | None = None
    position: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON."""
        return asdict(self)


@dataclass(slots=True)
class Findings:
    """All findings of one ledger: counted by code, the first ones listed."""

    ledger: str
    counts: Counter[str] = field(default_factory=Counter)
    listed: list[Finding] = field(default_factory=list)

    def add(self, code: str, detail: str, *, slice_number: int | None = None, position: int | None = None) -> None:
        """Add a finding."""
        self.counts[code] += 1
        if self.counts[code] <= LISTED_MAX:
            finding = Finding(code=code, ledger=self.ledger, detail=detail, slice=slice_number, position=position)
            self.listed.append(finding)

    def extend(self, others: Iterable["Findings"]) -> None:
        """Add the findings of others."""
        for other in others:
            for finding in other.listed:
                listed = sum(known.code == finding.code for known in self.listed)
                if listed < LISTED_MAX:
                    self.listed.append(finding)
            self.counts.update(other.counts)

    @property
    def failed(self) -> bool:
        """Whether there is a finding that is not harmless."""
        return any(code not in HARMLESS for code in self.counts)
