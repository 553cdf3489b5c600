"""What PostgreSQL keeps for one service: its events in 256 slices, each a hash chain, and the states beside them.

An order goes in through `command_handler`, its events through `outbox` and `events`; `lease` says which worker serves
which slice. `clock` and `identity` are the only modules that read the time and make ids. Nothing of Kafka or HTTP comes
in here, and no rule.
"""
