"""Stores the states of codes that the rules read. The rows are folds of the ledger; the schema guards their invariants.

A code may have thousands of seats: only the seats of the devices in question are loaded, but the count is complete.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from services.activation.decider import DECIDER, HOLDERS_NAMED_MAX, Code, Command, devices_of, names_holders
from shared.ledger.command_handler import Stored
from shared.ledger.database import Connection
from shared.ledger.slices import slice_of
from shared.messages import CodeRef, DeviceId

type Codes = Mapping[CodeRef, Stored[Code]]


class CodeStore:
    """Tables `code`, `seat` and `first_activation`."""

    async def load(self, connection: Connection, commands: Sequence[Command], stream_ids: Sequence[str]) -> Codes:
        """Return the codes, locked in the order of their references, each with the seats of the commands' devices."""
        rows = await connection.fetch(
            "select code_ref, version, state from code where code_ref = any($1::text[]) order by code_ref for update",
            stream_ids,
        )
        holders = await _holders(connection, commands) if rows else {}
        return {
            row["code_ref"]: Stored(
                row["version"],
                Code.from_json(row["state"]).but(holders=holders.get(row["code_ref"], frozenset())),
            )
            for row in rows
        }

    async def save(self, connection: Connection, before: Codes, after: Codes) -> None:
        """Write the codes, their seats, and the first activations."""
        await connection.execute(
            SAVE, *zip(*(row_of(ref, stored) for ref, stored in sorted(after.items())), strict=True)
        )
        taken, released, started = [], [], []
        for code_ref, stored in sorted(after.items()):
            was = before[code_ref].state if code_ref in before else Code()
            taken += [(code_ref, device_id) for device_id in sorted(stored.state.holders - was.holders)]
            released += [(code_ref, device_id) for device_id in sorted(was.holders - stored.state.holders)]
            if was.started_at is None and stored.state.started_at is not None:
                started.append((code_ref, stored.state.started_at))
        for statement, rows in ((RELEASE, released), (TAKE, taken), (START, started)):
            if rows:
                await connection.execute(statement, *zip(*rows, strict=True))


async def _holders(connection: Connection, commands: Sequence[Command]) -> Mapping[CodeRef, frozenset[DeviceId]]:
    """Return which of the devices hold a seat on which code, and other holders where a decision names them (R-77)."""
    asked = sorted(
        {
            (code_ref, device_id)
            for command in commands
            for device_id in devices_of(command)
            for code_ref in DECIDER.streams(command)
        }
    )
    rows = await connection.fetch(HOLDERS, *zip(*asked, strict=True)) if asked else []
    if named := sorted({command.code_ref for command in commands if names_holders(command)}):
        rows += await connection.fetch(OTHER_HOLDERS, named, HOLDERS_NAMED_MAX + 1)
    holders: dict[CodeRef, set[DeviceId]] = defaultdict(set)
    for row in rows:
        holders[row["code_ref"]].add(row["device_id"])
    return {code_ref: frozenset(devices) for code_ref, devices in holders.items()}


def row_of(code_ref: CodeRef, stored: Stored[Code]) -> tuple[object, ...]:
    """Return the row of a code, in the order of the table's columns."""
    code = stored.state
    return (
        code_ref,
        slice_of(code_ref),
        stored.version,
        code.to_json(),
        code.last_group or None,
        code.seats,
        code.seats_taken,
    )


HOLDERS = """
select code_ref, device_id
from seat join unnest($1::text[], $2::text[]) as asked(code_ref, device_id) using (code_ref, device_id)
"""

OTHER_HOLDERS = """
select code_ref, device_id
from unnest($1::text[]) as asked(code_ref)
    cross join lateral (
        select device_id from seat where seat.code_ref = asked.code_ref order by device_id limit $2
    ) as holder
"""

SAVE = """
insert into code as here (code_ref, slice, version, state, last_group, seats, seats_taken)
select * from unnest($1::text[], $2::smallint[], $3::int[], $4::jsonb[], $5::text[], $6::int[], $7::int[])
on conflict (code_ref) do update set
    version = excluded.version, state = excluded.state, last_group = excluded.last_group,
    seats = excluded.seats, seats_taken = excluded.seats_taken
"""

RELEASE = """
delete from seat using unnest($1::text[], $2::text[]) as released(code_ref, device_id)
where seat.code_ref = released.code_ref and seat.device_id = released.device_id
"""

TAKE = "insert into seat (code_ref, device_id) select * from unnest($1::text[], $2::text[])"

START = "insert into first_activation (code_ref, started_at) select * from unnest($1::text[], $2::timestamptz[])"
