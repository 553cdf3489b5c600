"""The operator's command line, and the whole system on one machine. It wires and prints; it decides nothing."""

from services.cli.commands import app

__all__ = ["app"]
