"""Devices in each of their states, built from events the way the projection and the API do it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.device.api.representation import Representation, license_representation
from services.device.decider import DeviceEvent
from services.device.outlook import Outlook
from services.device.projection import LicenseView, project
from services.device.window.page import page_of
from services.device.window.values import Page
from tests.device.table import STATES
from tests.scenarios import D

NAMED = {name: sample for name, sample in STATES.items() if sample[0]}
"""Every state of an enrolled device."""


def shown(events: list[DeviceEvent], at: datetime, *, current: bool = True, **more: Any) -> Representation:
    """Return what the API shows of a device with these events at that time; `more` overrides fields of the answer."""
    view = LicenseView()
    for event in events:
        view = project(view, event, occurred_at=at, recorded_at=at)
    answer: Mapping[str, Any] = {**license_representation(view, device_id=D, now=at, as_of=at), "add_ons": [], **more}
    return Representation(view, answer, '"1-0"', current)


def page(events: list[DeviceEvent], at: datetime, outlook: Outlook | None = None, **more: Any) -> Page:
    """Return the window of the device."""
    return page_of(shown(events, at, **more), name="Ada's notebook", outlook=outlook)


def state(name: str, **more: Any) -> Page:
    """Return the window of a device in a state of the table."""
    return page(*NAMED[name], **more)
