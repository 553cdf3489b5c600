"""Proves that history is whole and was not rewritten: the check of a log, signed checkpoints, proofs for strangers.

Three answers to three doubts, each resting on the one before:

1. *Is the log whole?* `ledger_check` reads every slice: positions and stream versions without a gap, an unbroken hash
   chain. `topic_check` compares what Kafka has with it, record by record.
2. *Was the whole log exchanged for another whole log?* Whoever may write to the database can make a new chain. So the
   service signs checkpoints and gives them away: per slice position, hash and tree root, under one root (`checkpoint`).
   History that no longer contains a checkpointed head is a rewritten one.
3. *Is this one event part of it?* `inclusion` gives a stranger a proof that he checks offline, with
   `docs/verify_event.py` and the public keys alone.

Why a tree beside the chain: an event's proof along the chain would be all later events of its slice, which grows
without end and shows other people's devices. In a Merkle tree over the events of a slice (RFC 9162, like Certificate
Transparency) it is one hash per doubling: 14 for 12,000 events, 20 for a million, and hashes show nothing. A leaf holds
the chain's hash of the event and beside it what the chain leaves out (recorded time, stream version, schema version,
correlation, causation), so that a checkpoint covers the whole envelope. The tree grows at its right edge only: to sign
the next checkpoint, only what came since the last one is read (`growth`).

No rule about licenses may come in here.
"""
