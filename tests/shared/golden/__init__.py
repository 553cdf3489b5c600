"""One example of every version of every event, as it lies in ledgers for ever, and the schema it had.

`python -m tests.shared.golden` writes what is missing: the example of a new event or version, and the schema after a
field was added with a default. It never changes an example, and it refuses a schema that others could not read.
"""
