"""Projections: kept live, rebuilt from the log, and compared with it.

`projection` says what a projection is, `live` keeps it up to date. `rebuild` rebuilds or verifies it: it starts a
`rebuild_in_progress`, whose `task` is divided among `workers`. `ledger_log` and `kafka_log` read events, `bounded_fold`
folds them, and `shadow_writer` writes the rows of the `shadow` table. `digest` compares the two tables, `checkpoint` is
how far the live table is, `lock` says whether a rebuild is running, `swap` replaces the live table. No rule and no
service may come in here.
"""

from shared.projector.failures import ProjectorFailed
from shared.projector.parked import Acceptance
from shared.projector.projection import Projection, view_of
from shared.projector.rebuild import Outcome, rebuild_projection, verify_projection
from shared.projector.rebuild_in_progress import Subject

__all__ = [
    "Acceptance",
    "Outcome",
    "Projection",
    "ProjectorFailed",
    "Subject",
    "rebuild_projection",
    "verify_projection",
    "view_of",
]
