"""Observability: logs, traces, metrics, and a container's health check.

Nothing in here changes what the services do. No rule, no table and nothing of Kafka may come in here.
"""
