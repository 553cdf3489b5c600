"""The index of the rules: which test shows which rule. `python -m tests.rules` prints it and fails on a gap."""
