"""What an operator can see and order, the same in both services: lags, parked messages, rebuilds.

`readings` keeps how far consumers and relay are, `parked` handles parked messages, `rebuilds` orders rebuilds of
projections, each of which runs in a `rebuild_process`. `door` is the way in by HTTP. No rule and no service may come in
here.
"""

from shared.operations.door import operations_door
from shared.operations.operations import Operations
from shared.operations.parked import AFTER_PATTERN, ID_PATTERN, ParkedMessages, State
from shared.operations.readings import Readings
from shared.operations.rebuilds import Projections

__all__ = [
    "AFTER_PATTERN",
    "ID_PATTERN",
    "Operations",
    "ParkedMessages",
    "Projections",
    "Readings",
    "State",
    "operations_door",
]
