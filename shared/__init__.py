"""What both services must agree on: codes, slices, messages, the ledger; knows no rule and no service."""
