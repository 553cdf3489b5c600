"""The catalogue as a Markdown page, for those who integrate and for support."""

from collections.abc import Iterator, Sequence

from shared.reasons import CATALOGUE, Explained

HEAD = """# Reasons

Every word by which Perennial refuses, warns or sets aside. A word stays for ever and is the same in the API, in events,
in the log and on the page. `GET /reasons` on both services gives this page as JSON,
`GET /problems/<word>` one word of it. Written by `python -m shared.reasons` from the catalogue: change the words there.
"""

CHAPTERS = (
    ("Refusals", "`reason` in events, `code` in the API's problems.", CATALOGUE.reasons),
    ("Notices", "Warnings that come with a good verdict: `notices`.", CATALOGUE.notices),
    ("Problems", "`code` of a problem that no rule of licensing caused.", CATALOGUE.problems),
    (
        "Parked messages",
        "`reason` of a message that is set aside or not redriven; orders are also parked with the words above.",
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
