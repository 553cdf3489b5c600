"""Kafka: `relay` sends the ledger's events out, `consumer` takes in the records of others.

An incoming record goes through `cloudevents` (its headers), `inbox`, `position_check` and `hash_check` (is it the next
one, and genuine?), `owned_partitions` and `progress` (may this worker handle it?), and then to the handler of its
source, or to `parking`. No rule and nothing of HTTP may come in here.
"""
