"""What PostgreSQL keeps for one service: its events in 256 slices, each a hash chain, and the states beside them.

A command goes in through `command_handler`, its events through `outbox` and `events`; `lease` decides which worker
serves which slice. `clock` and `identity` are the only modules that read the time and make ids. No rule and nothing of
Kafka or HTTP may come in here.
"""
