"""How an operator can tell what a process does: logs, traces, counters, and a container's health check.

Nothing in here changes what happens; no rule, no table and nothing of Kafka comes in.
"""
