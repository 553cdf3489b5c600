"""The pages in the console's navigation bar."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A page: its name and path."""

    name: str
    path: str


NAVIGATION = (
    Entry("Home", "/console"),
    Entry("Devices", "/console/devices"),
    Entry("Codes", "/console/codes"),
    Entry("Forecast", "/console/forecast"),
    Entry("Parked", "/console/parked"),
    Entry("System", "/console/system"),
)
"""In display order; a page names its own entry when it is rendered."""
