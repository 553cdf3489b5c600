"""What a shell offers when the Tab key is pressed: names that this release knows. It asks nobody."""

from services.cli.ledgers import CONSUMERS
from shared.reasons import CATALOGUE

type Offered = list[tuple[str, str]]
"""What can be typed, each with a word about it."""


def consumers() -> Offered:
    """Return the consumers, each with its service."""
    return [(name, f"of the {service} service") for name, service in CONSUMERS.items()]


def parking_words() -> Offered:
    """Return the words by which messages are parked, each with what happened."""
    return [(entry.word, entry.meaning) for entry in (*CATALOGUE.parking, *CATALOGUE.reasons)]


def words() -> Offered:
    """Return every word of refusal, warning and parking, each with what happened."""
    entries = (*CATALOGUE.reasons, *CATALOGUE.notices, *CATALOGUE.problems, *CATALOGUE.parking)
    return [(word, CATALOGUE.about(word)[0].meaning) for word in dict.fromkeys(entry.word for entry in entries)]
