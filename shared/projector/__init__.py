"""Projections: kept live, made anew from the log, and proved equal.

`projection` says what one is. `live` keeps it. `rebuild` makes it anew: `making` an attempt, `work` one process's share
of it, run by `workers`; `ledger_log` and `kafka_log` read, `folding` folds, `shadow` keeps what is made, `digest`
compares, `standing` knows where the live table stands. No rule and no service may come in here.
"""

from shared.projector.failures import ProjectorFailed
from shared.projector.making import Subject
from shared.projector.parked import Acceptance
from shared.projector.projection import Projection, view_of
from shared.projector.rebuild import Outcome, rebuilt, verified

__all__ = ["Acceptance", "Outcome", "Projection", "ProjectorFailed", "Subject", "rebuilt", "verified", "view_of"]
