"""What all HTTP routes have in common: limits, credentials, conditions, errors, and how an order becomes an answer.

The routes themselves are the services' `api`. A door translates; no rule comes in here.
"""
