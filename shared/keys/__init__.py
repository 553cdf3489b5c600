"""What is done with keys: documents and tokens signed, and what is told of a person sealed so that it can be erased.

No rule comes in here, and no route.
"""
