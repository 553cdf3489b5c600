"""The index of the rules: which tests cover which rule. `python -m tests.rules` prints it and fails on a gap."""
