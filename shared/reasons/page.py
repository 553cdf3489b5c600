"""The catalogue as a Markdown page, for integrators and support."""

from collections.abc import Iterator, Sequence

from shared.reasons import CATALOGUE, Explained

HEAD = """# Reasons

Every word that Perennial uses for a refusal, a warning, a problem or a parked message. A word never changes, and it is
the same in the API, in events, in the log and on pages. `GET /reasons` on both services returns this page as JSON,
`GET /problems/<word>` returns one word. Generated from the catalogue by `python -m shared.reasons`: edit it there.
"""

CHAPTERS = (
    ("Refusals", "`reason` in events, `code` in the API's problems.", CATALOGUE.reasons),
    ("Notices", "Warnings that come with a positive verdict: `notices`.", CATALOGUE.notices),
    ("Problems", "`code` of a problem that no licensing rule causes.", CATALOGUE.problems),
    (
        "Parked messages",
        "`reason` of a message that is parked or not redriven; commands are also parked with the words above.",
        CATALOGUE.parking,
    ),
)


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(line for chapter in CHAPTERS for line in _chapter(*chapter))]) + "\n"


def _chapter(title: str, about: str, entries: Sequence[Explained]) -> Iterator[str]:
    yield f"## {title}\n\n{about}\n"
    yield "| Word | What happened | What to do | What happens next | Rules |"
    yield "|---|---|---|---|---|"
    for entry in entries:
        cells = (f"`{entry.word}`", entry.meaning, entry.what_to_do, entry.what_follows or "", ", ".join(entry.rules))
        yield f"| {' | '.join(cells)} |"
    yield ""
