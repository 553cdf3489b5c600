"""How far apart in time two things must be for their order to be foreseen (R-141). Pure."""

from datetime import timedelta

CHANCE = timedelta(seconds=2)
"""Whose licenses end no further apart come in any order: a timer looks once a second, and Kafka takes its time."""
