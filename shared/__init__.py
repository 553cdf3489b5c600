"""What both services agree on, in rooms whose order is the flow: messages, rules, ledger, kafka, doors, and more above.

It knows no service. Each room says in its docstring what may come in; import-linter keeps their floors.
"""
