"""What every rule is built from: what a decider is, how rules are looked at, terms, codes, and the vendor's policy.

Pure: what is in here imports messages and nothing that reads, writes, waits or guesses. The rules themselves are the
services' deciders; a rule about one service's subject does not come in here.
"""
