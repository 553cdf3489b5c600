"""What an operator looks at and orders, the same in both services: how far everything is, what was set aside, rebuilds.

`readings` tells how far consumers and relay are, `parked` what was set aside, `rebuilds` makes projections anew by way
of `attempt`, a process of its own; `door` is the way in by HTTP. No rule and no service may come in here.
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
