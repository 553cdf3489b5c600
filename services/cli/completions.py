"""Shell completions: names that this release knows. They need no connection."""

from shared.reasons import CATALOGUE

type Completions = list[tuple[str, str]]
"""Each completion with a short explanation."""


def parking_reasons() -> Completions:
    """Return the reasons for which messages are parked, each with its meaning."""
    return [(entry.word, entry.meaning) for entry in (*CATALOGUE.parking, *CATALOGUE.reasons)]


def reasons() -> Completions:
    """Return the reasons of refusals, notices, problems and parked messages, each with its meaning."""
    entries = (*CATALOGUE.reasons, *CATALOGUE.notices, *CATALOGUE.problems, *CATALOGUE.parking)
    return [(word, CATALOGUE.about(word)[0].meaning) for word in dict.fromkeys(entry.word for entry in entries)]
