"""`python -m shared.reasons > docs/reasons.md`: the catalogue as a documentation page."""

from shared.reasons.page import page

if __name__ == "__main__":
    print(page(), end="")
