"""How fast the whole system is on this machine. `python -m tests.benchmarks`; nothing here asserts a time.

A life is: a code is added to a device with a license in force, verified, the license expires, the code is checked
again, activated, and both verdicts are recorded. Real servers, both services and the load share the cores.
"""
