"""Recovery, on an operator's order only: a ledger from its topic, a topic from its ledger, and parked records.

No rule may come in here.
"""
