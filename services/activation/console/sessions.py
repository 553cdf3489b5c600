"""Login sessions: the browser keeps a random secret, the database its hash. Logging out ends every copy of the session.

Times are the machine's, so moving a sandbox a year ahead logs nobody out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.activation.console.operators import Operator
from shared.ledger.database import Pool
from shared.ledger.identity import hash_of, new_secret

VALID = timedelta(hours=8)
COOKIE_CHARACTERS_MAX = 100


class NotLoggedIn(Exception):
    """The browser has no session, or an expired one."""


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in operator."""

    operator: Operator
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The table `console_session`. `opened_with` identifies the operator key: changing the key ends all sessions."""

    pool: Pool
    opened_with: str = field(repr=False)

    async def open(self, operator: Operator, *, now: datetime) -> Session:
        """Return a new session, and delete the expired ones."""
        session = Session(operator, new_secret())
        await self.pool.execute("delete from console_session where ends_at <= $1", now)
        await self.pool.execute(OPEN, hash_of(session.cookie), operator.name, self.opened_with, now + VALID)
        return session

    async def find(self, cookie: str | None, *, now: datetime) -> Session:
        """Return the session of a cookie. Raises `NotLoggedIn`."""
        if not cookie or len(cookie) > COOKIE_CHARACTERS_MAX:
            raise NotLoggedIn
        name = await self.pool.fetchval(FIND, hash_of(cookie), self.opened_with, now)
        if name is None:
            raise NotLoggedIn
        return Session(Operator(name), cookie)

    async def close(self, session: Session) -> None:
        """End a session."""
        await self.pool.execute("delete from console_session where token_hash = $1", hash_of(session.cookie))


OPEN = "insert into console_session (token_hash, operator, opened_with, ends_at) values ($1, $2, $3, $4)"

FIND = "select operator from console_session where token_hash = $1 and opened_with = $2 and ends_at > $3"
