"""The obvious pair: the same two services as a team writes them first, following FastStream's documentation.

One message per call, one transaction per message, one row per device and per code, and pydantic models on the wire. It
keeps what a reader of that documentation would keep: which messages it has handled, what happened, and, in one of its
two ways, an outbox. It has no chain of hashes, no rebuild, no console and few rules; it is what we are compared with.
"""
