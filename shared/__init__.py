"""What both services share, in layers in the order of the flow: messages, rules, ledger, kafka, doors, and more above.

Knows no service. Each package says in its docstring what may come in; import-linter enforces the layers.
"""
