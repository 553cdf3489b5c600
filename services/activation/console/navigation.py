"""The pages that stand in the console's bar."""

from typing import NamedTuple


class Entry(NamedTuple):
    """One page: its name, and where it is."""

    name: str
    path: str


NAVIGATION = (
    Entry("Search", "/console"),
    Entry("Forecast", "/console/forecast"),
    Entry("Parked", "/console/parked"),
    Entry("System", "/console/system"),
)
"""In the order in which they stand; a page names its own entry when it is drawn."""
