"""Comes in: the point in time that a page is about, as typed into a field. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from shared.calendar import instant

NOT_A_TIME = "This is not a valid time. Write it like 2027-03-12 or 2027-03-12 14:30, in UTC."


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """A point in time, and whether to show what was true or what was known then. No time means now."""

    typed: str
    sense: str
    at: datetime | None
    problem: str | None = None

    @classmethod
    def of(cls, typed: str, sense: str) -> "AsOf":
        """Parse what was typed; a date means the start of that day."""
        typed = typed.strip()
        if not typed:
            return cls(typed="", sense=sense, at=None)
        try:
            at = datetime.fromisoformat(typed)
            aware = at if at.tzinfo else at.replace(tzinfo=UTC)
            return cls(typed=typed, sense=sense, at=aware.astimezone(UTC))
        except (ValueError, OverflowError):
            return cls(typed=typed, sense=sense, at=None, problem=NOT_A_TIME)

    @property
    def params(self) -> dict[str, str]:
        """The query parameters for the API."""
        return {"at": instant(self.at), "sense": self.sense} if self.at else {}

    @property
    def query(self) -> str:
        """The query string for a page."""
        return f"?{urlencode({'at': self.typed, 'sense': self.sense})}" if self.at else ""
