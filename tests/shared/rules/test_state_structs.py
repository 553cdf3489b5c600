"""Equal states are written as equal bytes, no matter how their values came about."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from services.activation.forecast import Switchover
from services.activation.projection import CodeView
from services.device.projection import LicenseView
from shared.rules.decider import StateStruct

SINGLE_OBJECTS: tuple[Any, ...] = (None, False, 0, ())
NEVER_WRITTEN = {"holders"}


def structs_below(kind: type[StateStruct]) -> Iterator[type[StateStruct]]:
    for each in kind.__subclasses__():
        yield each
        yield from structs_below(each)


STRUCTS = [*structs_below(StateStruct)]


def test_all_states_are_state_structs() -> None:
    """Without them the other test would check nothing."""
    assert {CodeView, LicenseView, Switchover} < set(STRUCTS)


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_a_default_that_is_left_out_is_a_single_object(kind: type[StateStruct]) -> None:
    """R-118: of two equal strings, one may be the object of the default and the other not."""
    for field in msgspec.structs.fields(kind):
        single = any(field.default is each for each in (msgspec.NODEFAULT, *SINGLE_OBJECTS))
        assert single or field.name in NEVER_WRITTEN, field.name
