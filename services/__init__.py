"""The two services that renew software licenses, device and activation, and the operator's command line.

They never import each other: they meet in the events of `shared.messages`, and in nothing else.
"""
