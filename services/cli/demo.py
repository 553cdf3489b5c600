"""`perennial demo` and `perennial up`: the whole system in the foreground, until Ctrl-C."""

import asyncio
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
from services.cli.foreground import ignore_signals, interruptible
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
    "Ports: PERENNIAL_POSTGRES_PORT, PERENNIAL_KAFKA_PORT, PERENNIAL_KAFKA_CONTROLLER_PORT, "
    "PERENNIAL_DEVICE_PORT, PERENNIAL_ACTIVATION_PORT."
)


app = typer.Typer()


@app.command(epilog=PARAGRAPH.join((PORTS, examples("perennial demo", "perennial demo --once --json"))))
def demo(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End after the article.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start everything, show a license's life in sandbox time, then events as they happen until Ctrl-C."""
    _run(ctx.obj, Screen(as_json=as_json), article=True, once=once)


@app.command(epilog=PARAGRAPH.join((PORTS, examples("perennial up"))))
def up(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Start everything and show events as they happen until Ctrl-C."""
    _run(ctx.obj, Screen(as_json=as_json), article=False, once=False)


def _run(connections: Connections, screen: Screen, *, article: bool, once: bool) -> None:
    # a client that loses a server on the way down has nothing to tell
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with interruptible():
        first_time = not Credentials.load(connections.data)
        with writable(connections.data):
            system = local_system(connections.data)
        try:
            _start(system, screen, first_time=first_time)
            _live(system, system.connections(), screen, article=article, once=once)
        except KeyboardInterrupt:
            screen.tell("stopping", "", "stops")
        finally:
            ignore_signals()
            system.stop()
        screen.progress("everything is stopped")


def _start(system: System, screen: Screen, *, first_time: bool) -> None:
    screen.tell("starting", "", f"Perennial starts; its data is in {system.folder}", data=str(system.folder))
    if first_time:
        key = system.credentials.operator_key
        screen.tell("operator_key", "operator", f"key, shown this once: {key}", operator_key=key)
    system.start(screen.progress)
    deadline = monotonic() + READY_SECONDS_MAX
    while not all(worker.ready() for worker in system.workers.values()):
        _require_all(system)
        if monotonic() > deadline:
            raise CommandFailed(ExitCode.NOT_STARTED, f"not ready in time; the logs are in {system.folder}/workers")
        sleep(POLL_SECONDS)
    screen.progress("both are ready: every consumer and relay makes progress")


def _live(system: System, connections: Connections, screen: Screen, *, article: bool, once: bool) -> None:
    with ApiClient(connections) as api:
        played = _play(api, screen) if article else None
        _show_addresses(api, screen, played)
    if not once:
        asyncio.run(_follow(system, screen))


def _play(api: ApiClient, screen: Screen) -> Walkthrough:
    article = Walkthrough(api)
    for number, step in enumerate(article.play(), 1):
        events = ", ".join(step.events)
        screen.tell(
            "step", f"step {number}", f"{step.words} [{events}]", style="bold", words=step.words, events=step.events
        )
    screen.progress("the article was played")
    return article


def _show_addresses(api: ApiClient, screen: Screen, played: Walkthrough | None) -> None:
    for service in SERVICES:
        for path in ADDRESSES[service]:
            url = api.url(service, path)
            screen.tell("address", service, url, style="cyan", service=service, url=url)
    if played:
        link = window_link(api, played.device_id, token=played.token)
        line = f"{link['url']} (the device's Licensing window; opens until {link['expires_at']})"
        screen.tell("window", "window", line, style="cyan", **link)
        command = f"curl -H 'Authorization: Bearer {played.token}' {api.url('device', played.path + '/license')}"
        screen.tell("try", "try", command, style="cyan", command=command)


async def _follow(system: System, screen: Screen) -> None:
    async with tail.opened(system.stack.kafka.bootstrap) as consumer:
        screen.tell("ready", "", "events as they happen; Ctrl-C ends everything")
        while True:
            for seen in await tail.fresh(consumer):
                _show_event(seen, screen)
            _require_all(system)


def _show_event(seen: tail.Seen, screen: Screen) -> None:
    type_name, stream = seen.headers.get("ce_type", ""), seen.headers.get("ce_subject", "")
    line = f"{seen.moment}  {type_name:<18} …{stream[-STREAM_CHARACTERS:]}  {summarize(seen.data)}"
    screen.tell(
        "event",
        seen.service,
        line,
        style="green",
        service=seen.service,
        time=seen.headers.get("ce_time"),
        type=type_name,
        stream=stream,
        position=seen.headers.get("position"),
        data=seen.data,
    )


def _require_all(system: System) -> None:
    """Raise `CommandFailed` when a part ended by itself: half a system only looks as if it worked."""
    for part in (system.stack.postgres, system.stack.kafka, *system.workers.values()):
        if not part.running:
            message = f"{part.name} ended by itself; its log is in {part.folder}"
            raise CommandFailed(ExitCode.NOT_STARTED, message)
