"""How a moment is written wherever it is hashed, sent or shown; rules write it so too, so it lies below them."""

from shared.calendar import instant

__all__ = ["instant"]
