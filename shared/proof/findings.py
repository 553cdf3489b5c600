"""What is wrong with a log, under names that stay. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MEANINGS: Mapping[str, str] = {
    "position_gap": "events of a slice are missing in the ledger",
    "broken_chain": "an event was changed, or does not follow the one before it",
    "wrong_slice": "an event lies in a slice that is not its stream's",
    "version_gap": "a stream's versions do not follow each other",
    "wrong_head": "the head of a slice is not its last event",
    "published_ahead": "more events count as sent than there are",
    "topic_missing": "the topic does not exist",
    "missing_in_topic": "events that were sent are not in the topic, or behind such a hole",
    "differs_in_topic": "consumers accept a record that is not the ledger's event",
    "not_in_ledger": "consumers accept a record that the ledger does not have",
    "doubled_in_topic": "a record is in the topic again; consumers drop it",
    "stray_in_topic": "a record is in the topic that consumers park: it is no event of this ledger",
    "history_rewritten": "the ledger has other events than when a checkpoint was signed",
    "history_cut": "the ledger has fewer events than when a checkpoint was signed",
    "checkpoint_unreadable": "a file is no checkpoint",
    "checkpoint_newer_format": "a newer release wrote the checkpoint",
    "checkpoint_wrong_root": "a checkpoint's heads are not those that were signed",
    "checkpoint_unknown_key": "a checkpoint is signed by a key that is not trusted",
    "checkpoint_bad_signature": "a checkpoint was changed after it was signed",
    "checkpoint_malformed_signature": "a checkpoint's signature cannot be read",
    "checkpoint_wrong_kind": "what was signed is something else than a checkpoint",
}
"""Every code and what it says."""

HARMLESS = frozenset({"doubled_in_topic", "stray_in_topic"})
"""What is told but does not fail a check: consumers pass over it, and nobody can take it out of a topic."""

LISTED_MAX = 200
"""So many findings of one code are listed; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `position` is the first one concerned."""

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
        """Note one."""
        self.counts[code] += 1
        if self.counts[code] <= LISTED_MAX:
            finding = Finding(code=code, ledger=self.ledger, detail=detail, slice=slice_number, position=position)
            self.listed.append(finding)

    def extend(self, others: Iterable["Findings"]) -> None:
        """Add those of others."""
        for other in others:
            for finding in other.listed:
                listed = sum(known.code == finding.code for known in self.listed)
                if listed < LISTED_MAX:
                    self.listed.append(finding)
            self.counts.update(other.counts)

    @property
    def failed(self) -> bool:
        """Whether anything is wrong that is not harmless."""
        return any(code not in HARMLESS for code in self.counts)
