"""The operator's command line, and the whole system on one machine. Wires and shows; decides nothing."""

from services.cli.commands import app

__all__ = ["app"]
