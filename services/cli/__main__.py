"""`python -m services.cli`: the same as `perennial`."""

from services.cli.commands import app

if __name__ == "__main__":
    app(prog_name="perennial")
