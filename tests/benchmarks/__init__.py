"""Measures how fast the whole system is on this machine: `python -m tests.benchmarks`. Nothing here asserts a time.

One life: a code is added to a device with an active license and verified; the license expires; the code is rechecked
and activated; both verdicts are recorded. Real servers, both services and the load generator share the cores.
The obvious pair does the same work in the same run, and another build of ours can take turns with this one.
"""
