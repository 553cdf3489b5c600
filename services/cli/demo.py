"""`perennial demo` and `perennial up`: run the whole system in the foreground until Ctrl-C."""

import logging
from time import monotonic, sleep
from typing import Annotated

import typer

from services.cli import tail
from services.cli.api_client import ApiClient, window_link
from services.cli.connections import Connections
from services.cli.credentials import Credentials
from services.cli.event_summary import summarize
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.foreground import ignore_signals, interruptible, run
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson
from services.cli.screen import Screen
from services.cli.system import System, local_system
from services.cli.walkthrough import Walkthrough
from shared.local.folders import writable

READY_SECONDS_MAX = 60.0
POLL_SECONDS = 0.05
STREAM_CHARACTERS = 8
ADDRESSES: dict[ServiceName, tuple[str, ...]] = {
    "device": ("/docs/api", "/docs/messages", "/readyz"),
    "activation": ("/docs/api", "/docs/messages", "/readyz", "/console"),
}
PORTS = (
    "The ports are set by PERENNIAL_POSTGRES_PORT, PERENNIAL_KAFKA_PORT, PERENNIAL_KAFKA_CONTROLLER_PORT, "
    "PERENNIAL_DEVICE_PORT and PERENNIAL_ACTIVATION_PORT."
)


app = typer.Typer()


@app.command(epilog=PARAGRAPH.join((PORTS, examples("perennial demo", "perennial demo --once --json"))))
def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Stop after the walkthrough.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the local system, play the life of a license in sandbox time, then show events until Ctrl-C."""
    _run(ctx.obj, Screen(as_json=as_json), walkthrough=True, once=once)


@app.command(epilog=PARAGRAPH.join((PORTS, examples("perennial up"))))
def up(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Start the local system and show events as they happen until Ctrl-C."""
    _run(ctx.obj, Screen(as_json=as_json), walkthrough=False, once=False)


def _run(connections: Connections, screen: Screen, *, walkthrough: bool, once: bool) -> None:
    # during shutdown the client would log that it lost its server
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with interruptible():
        first_time = not Credentials.load(connections.data)
        with writable(connections.data):
            system = local_system(connections.data)
        try:
            _start(system, screen, first_time=first_time)
            _live(system, system.connections(), screen, walkthrough=walkthrough, once=once)
        except KeyboardInterrupt:
            screen.show("stopping", "", "stopping everything")
        finally:
            ignore_signals()
            system.stop()
        screen.progress("everything is stopped")


def _start(system: System, screen: Screen, *, first_time: bool) -> None:
    screen.show("starting", "", f"starting Perennial; its data is in {system.folder}", data=str(system.folder))
    if first_time:
        key = system.credentials.operator_key
        screen.show("operator_key", "key", f"operator key, shown only this once: {key}", operator_key=key)
    system.start(screen.progress)
    deadline = monotonic() + READY_SECONDS_MAX
    while not all(worker.ready() for worker in system.workers.values()):
        _require_running(system)
        if monotonic() > deadline:
            message = f"not ready after {READY_SECONDS_MAX:.0f} seconds; see the logs in {system.folder}/workers"
            raise CommandFailed(ExitCode.NOT_STARTED, message)
        sleep(POLL_SECONDS)
    screen.progress("both services are ready: all consumers and relays are making progress")


def _live(system: System, connections: Connections, screen: Screen, *, walkthrough: bool, once: bool) -> None:
    with ApiClient(connections) as api:
        played = _play(api, screen) if walkthrough else None
        _show_addresses(api, screen, played)
    if not once:
        run(_follow(system, screen))


def _play(api: ApiClient, screen: Screen) -> Walkthrough:
    walkthrough = Walkthrough(api)
    for number, step in enumerate(walkthrough.play(), 1):
        events = ", ".join(step.events)
        screen.show(
            "step", f"step {number}", f"{step.words} [{events}]", style="bold", words=step.words, events=step.events
        )
    screen.progress("the walkthrough is complete")
    return walkthrough


def _show_addresses(api: ApiClient, screen: Screen, played: Walkthrough | None) -> None:
    for service in SERVICES:
        for path in ADDRESSES[service]:
            url = api.url(service, path)
            screen.show("address", service, url, style="cyan", service=service, url=url)
    if played:
        link = window_link(api, played.device_id, token=played.token)
        line = f"{link['url']} (the Licensing window of the device; the link expires at {link['expires_at']})"
        screen.show("window", "window", line, style="cyan", **link)
        command = f"curl -H 'Authorization: Bearer {played.token}' {api.url('device', played.path + '/license')}"
        screen.show("try", "try", command, style="cyan", command=command)


async def _follow(system: System, screen: Screen) -> None:
    async with tail.open_consumer(system.stack.kafka.bootstrap) as consumer:
        screen.show("ready", "", "showing events as they happen; press Ctrl-C to stop everything")
        while True:
            for record in await tail.poll(consumer):
                _show_event(record, screen)
            _require_running(system)


def _show_event(record: tail.EventRecord, screen: Screen) -> None:
    type_name, stream = record.headers.get("ce_type", ""), record.headers.get("ce_subject", "")
    line = f"{record.time}  {type_name:<18} …{stream[-STREAM_CHARACTERS:]}  {summarize(type_name, record.data)}"
    screen.show(
        "event",
        record.service,
        line,
        style="green",
        service=record.service,
        time=record.headers.get("ce_time"),
        type=type_name,
        stream=stream,
        position=record.headers.get("position"),
        data=record.data,
    )


def _require_running(system: System) -> None:
    """Raise `CommandFailed` if a part of the system has exited, because half a system only seems to work."""
    for part in (system.stack.postgres, system.stack.kafka, *system.workers.values()):
        if not part.running:
            message = f"{part.name} stopped unexpectedly; see its log in {part.folder}"
            raise CommandFailed(ExitCode.NOT_STARTED, message)
