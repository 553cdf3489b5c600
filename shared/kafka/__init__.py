"""What travels over Kafka: the ledger's events out by `relay`, records of others in by `consumer`.

A record in passes `cloudevents` (its headers), `inbox` (is it the next one?), `owned_partitions` and `progress` (may
this worker move on?), and then its source's handler, or `parking`. No rule and nothing of HTTP comes in here.
"""
