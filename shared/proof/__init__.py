"""Proves that history is complete and was not rewritten: log checks, signed checkpoints, inclusion proofs.

Three answers to three doubts, each based on the one before:

1. *Is the log complete?* `ledger_check` reads every slice: positions and stream versions without gaps, an unbroken hash
   chain. `topic_check` compares Kafka's copy with it, record by record.
2. *Was the whole log replaced by another complete log?* Anybody who can write to the database can make a new chain. So
   the service signs checkpoints and exports them: position, hash and tree root of each slice, under one root
   (`signed_checkpoint`). A history that no longer contains the head in a signed checkpoint was rewritten.
3. *Is this event part of it?* `inclusion` makes a proof that a third party checks offline, with `docs/verify_event.py`
   and the public keys alone.

Why a tree in addition to the chain: a proof along the chain would need all later events of the slice, which grows
without end and reveals other people's devices. In a Merkle tree over the events of a slice (RFC 9162, as in Certificate
Transparency) a proof has one hash per doubling: 14 for 12,000 events, 20 for a million, and hashes reveal nothing. A
leaf covers the event's hash in the chain and the fields that the chain leaves out (recorded time, stream version,
schema version, correlation, causation), so a signed checkpoint covers the whole envelope. The tree only grows at its
right edge: signing the next checkpoint reads only the events since the last one (`slice_trees`).

A signed checkpoint is a file for auditors. The checkpoint of a projection (`shared.projector.checkpoint`) is a position
vector in the database.

No rule about licenses may come in here.
"""
