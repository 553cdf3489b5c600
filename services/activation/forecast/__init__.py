"""Which devices will switch to their reserve, when, and whether the recheck would pass with what is known now.

`switchover` folds what the devices said into one row each, `foresight` asks the rules. Pure.
"""

from services.activation.forecast.foresight import Foreseen, foresee
from services.activation.forecast.switchover import FORECAST, Current, Switchover, Waiting, evolve

__all__ = ["FORECAST", "Current", "Foreseen", "Switchover", "Waiting", "evolve", "foresee"]
