"""Which devices will switch to their reserve, when, and whether the recheck would pass with what is known now.

`switchover` folds the devices' events into one row each, `simulation` applies the rules to those rows, and `rushes`
tells where chance decides who gets a seat. Pure.
"""

from services.activation.forecast.simulation import SwitchForecast, simulate_switches
from services.activation.forecast.switchover import FORECAST, Current, Switchover, Waiting, evolve

__all__ = ["FORECAST", "Current", "SwitchForecast", "Switchover", "Waiting", "evolve", "simulate_switches"]
