"""The pages that both services share."""
