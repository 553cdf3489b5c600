"""What makes whole again: a ledger from its topic, a topic from its ledger, and a parked record handled after all.

Only an operator's order starts any of it. No rule comes in here.
"""
