"""What all HTTP routes share: limits, credentials, preconditions, idempotency, errors, and the queue of commands.

The routes themselves are in the services' `api`. A door only translates; no rule may come in here.
"""
