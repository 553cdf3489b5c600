"""`perennial policy what-if`: what another policy would have done with the same history. It writes nothing."""

import asyncio
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.bar import Bar
from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import open_ledger
from services.cli.names import SERVICES
from services.cli.output import AsJson, say, show_rows, tell
from services.cli.times import DAY_BEGINS, parse_time
from services.cli.what_if.comparison import Executor, Question, Tally, compare_all, compare_groups
from services.cli.what_if.differences import DeviceDifference
from services.cli.what_if.ledger_reader import Group, open_ledgers
from services.cli.what_if.workers import process_pool
from shared.calendar import instant
from shared.messages import UnknownEvent
from shared.projector.workers import cores
from shared.rules.policy import POLICY, Policy
from shared.settings.policy_file import PolicyWrong, read_policy

__all__ = ["app"]

SHOWN_MAX = 50
"""More devices are listed with --json only."""


app = typer.Typer()


@app.command("what-if", epilog=examples("perennial policy what-if --policy stricter.json --since 2027-01-01"))
def what_if(
    ctx: typer.Context,
    policy: Annotated[Path, typer.Option(help="A file with the other policy.")],
    since: Annotated[
        str | None, typer.Option(help=f"Replay only what was recorded after this time. {DAY_BEGINS}")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Only this device, and those that share a code with it.")] = None,
    present: Annotated[
        Path | None, typer.Option(envvar="PERENNIAL_POLICY_FILE", help="The present policy.", show_default="standard")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay the recorded orders under another policy and under the present one, and list what differs."""
    begins_at = parse_time(since, option="--since") if since else None
    other, ours = _read(policy), _read(present) if present else POLICY
    tally = Tally()
    different = asyncio.run(_compare(ctx.obj, other, ours, begins_at, device, tally))
    if as_json:
        _show_json(tally, different, ours=ours, other=other)
    else:
        _show_tables(tally, different)
    _say_summary(tally, ours=ours, other=other)


def _read(path: Path) -> Policy:
    try:
        return read_policy(path)
    except PolicyWrong as wrong:
        raise CommandFailed(ExitCode.REFUSED, f"{wrong.code}: {path}, {wrong}") from None
    except OSError as error:
        raise CommandFailed(ExitCode.REFUSED, f"policy_unreadable: {path}: {error.strerror}") from None


async def _compare(
    connections: Connections, other: Policy, ours: Policy, since: datetime | None, device_id: str | None, tally: Tally
) -> list[DeviceDifference]:
    urls = {service: connections.database_url(service) for service in SERVICES}
    until = await _now(connections)
    if since is not None and since > until:
        raise CommandFailed(ExitCode.REFUSED, f"in_the_future: it is {instant(until)}")
    question = Question(present=ours, other=other, since=since, until=until)
    async with open_ledgers(urls, until=until) as ledgers:
        if device_id:
            if not await ledgers.knows(device_id):
                raise CommandFailed(ExitCode.REFUSED, "unknown_device: nothing was ever recorded about this device")
            groups = [await ledgers.group_of(device_id)]
            found = await _collect(groups, Executor(partial(compare_groups, ledgers, question)), tally)
        else:
            groups = await ledgers.all_groups()
            with process_pool(urls, question, count=cores()) as executor:
                found = await _collect(groups, executor, tally)
    return sorted(found, key=lambda one: one.device_id)


async def _collect(groups: Sequence[Group], executor: Executor, tally: Tally) -> list[DeviceDifference]:
    try:
        with Bar("devices") as bar:
            return [one async for one in compare_all(groups, executor, tally, bar.update)]
    except UnknownEvent as unknown:
        message = f"newer_log: {unknown}; it was written by a newer release"
        raise CommandFailed(ExitCode.REFUSED, message) from None
    except BrokenProcessPool:
        raise CommandFailed(ExitCode.REFUSED, "worker_killed: a process of the replay was killed; try again") from None


async def _now(connections: Connections) -> datetime:
    """Return the services' time: anything recorded later is not replayed."""
    moments = []
    for service in SERVICES:
        async with open_ledger(service, connections.database_url(service)) as ledger:
            moments.append(ledger.clock.now())
    return max(moments)


def _show_json(tally: Tally, different: list[DeviceDifference], *, ours: Policy, other: Policy) -> None:
    summary = {"kind": "summary", "present": ours.name, "other": other.name, **_counts(tally)}
    show_rows([summary], (), as_json=True)
    show_rows([{"kind": "change", **row} for row in _kinds(tally)], (), as_json=True)
    show_rows([{"kind": "device", **_device(one)} for one in different], (), as_json=True)


def _counts(tally: Tally) -> dict[str, Any]:
    return {
        "devices": tally.devices,
        "codes": tally.codes,
        "orders": tally.orders,
        "devices_different": tally.different,
        "devices_unlike_history": tally.unlike_history,
    }


def _kinds(tally: Tally) -> list[dict[str, Any]]:
    counted = tally.counted
    return [{"change": kind, "devices": counted.devices[kind], "facts": n} for kind, n in counted.facts.most_common()]


def _device(one: DeviceDifference) -> dict[str, Any]:
    return {
        "device_id": one.device_id,
        "licensed_days": round(one.licensed.total_seconds() / 86_400, 3),
        "status": {"present": one.status[0], "other": one.status[1]},
        "changes": [{"change": change.kind, "what": change.description} for change in one.changes],
    }


def _show_tables(tally: Tally, different: list[DeviceDifference]) -> None:
    if not different:
        return
    show_rows(_kinds(tally), ("change", "devices", "facts"), as_json=False)
    tell("")
    rows = [
        {
            "device": one.device_id,
            "licensed days": f"{_device(one)['licensed_days']:+}",
            "what": change.kind,
            "": change.description,
        }
        for one in different[:SHOWN_MAX]
        for change in one.changes
    ]
    show_rows(rows, ("device", "licensed days", "what", ""), as_json=False)
    if len(different) > SHOWN_MAX:
        say(f"{len(different) - SHOWN_MAX:,} more devices: --json lists all")


def _say_summary(tally: Tally, *, ours: Policy, other: Policy) -> None:
    say(
        f"{tally.orders:,} orders of {tally.devices:,} devices replayed under {other.name} {other.version} "
        f"and {ours.name} {ours.version}: {tally.different:,} devices differ; nothing was written"
    )
    if tally.unlike_history:
        say(
            f"{tally.unlike_history:,} devices ended differently in the log than in the replay under {ours.name}: "
            "another policy was in force, or something happened that left no event"
        )
