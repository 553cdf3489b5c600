"""Where the states of codes are kept that the rules read. Rows are folds of the ledger; the schema guards them.

A code may have thousands of seats: only the seats of the devices at hand are loaded, the count is always full.
"""

from collections.abc import Mapping, Sequence

from services.activation.decider import DECIDER, Code, Command, devices_of
from shared.command_handler import Stored
from shared.database import Connection
from shared.messages import CodeRef, DeviceId
from shared.slices import slice_of

type Codes = Mapping[CodeRef, Stored[Code]]


class CodeStore:
    """Tables `code`, `seat` and `first_activation`."""

    async def load(self, connection: Connection, commands: Sequence[Command], stream_ids: Sequence[str]) -> Codes:
        """Return the codes, locked in the order of their references, each with the seats of the commands' devices."""
        rows = await connection.fetch(
            "select code_ref, version, state from code where code_ref = any($1::text[]) order by code_ref for update",
            stream_ids,
        )
        holders = await self._holders(connection, commands) if rows else {}
        return {
            row["code_ref"]: Stored(
                row["version"],
                Code.model_validate_json(row["state"]).model_copy(
                    update={"holders": frozenset(holders.get(row["code_ref"], ()))}
                ),
            )
            for row in rows
        }

    async def _holders(
        self, connection: Connection, commands: Sequence[Command]
    ) -> Mapping[CodeRef, Sequence[DeviceId]]:
        asked = sorted(
            {
                (code_ref, device_id)
                for command in commands
                for device_id in devices_of(command)
                for code_ref in DECIDER.streams(command)
            }
        )
        if not asked:
            return {}
        rows = await connection.fetch(HOLDERS, *zip(*asked, strict=True))
        return {row["code_ref"]: row["device_ids"] for row in rows}

    async def save(self, connection: Connection, before: Codes, after: Codes) -> None:
        """Write the codes, their seats, and the first activations."""
        await connection.execute(SAVE, *zip(*(_row(ref, stored) for ref, stored in sorted(after.items())), strict=True))
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


def _row(code_ref: CodeRef, stored: Stored[Code]) -> tuple[object, ...]:
    code = stored.state
    return (
        code_ref,
        slice_of(code_ref),
        stored.version,
        code.model_dump_json(exclude_none=True),
        code.last_group or None,
        code.seats,
        code.seats_taken,
    )


HOLDERS = """
select code_ref, array_agg(device_id) as device_ids
from seat join unnest($1::text[], $2::text[]) as asked(code_ref, device_id) using (code_ref, device_id)
group by code_ref
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
