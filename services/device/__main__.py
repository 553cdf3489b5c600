"""Composition root of the device service: the only place that wires it. `python -m services.device`."""

from services.device.api import Doors, routes
from services.device.api.watch import Watch
from services.device.consumer import commands, verdicts
from services.device.decider import DECIDER
from services.device.outbox import OUTBOX, SANDBOX_OUTBOX, TOPIC
from services.device.projection import license_view
from services.device.store import DeviceStore
from services.device.timer import Timer
from shared.command_handler import CommandHandler
from shared.door import Door
from shared.service import main, opened
from shared.settings import ServiceSettings
from shared.version import VERSION


async def serve(settings: ServiceSettings) -> None:
    """Run one worker of the device service until it is told to stop."""
    outboxes = {"production": OUTBOX, "sandbox": SANDBOX_OUTBOX}
    async with opened("device", settings, outboxes) as service:
        handler = CommandHandler(DECIDER, DeviceStore(), service.outbox)
        door = Door(handler, pool=service.pool, on_append=service.on_append)
        timer = Timer(
            handler,
            pool=service.pool,
            clock=service.clock,
            leases=service.leases,
            on_append=service.on_append,
            batch_max=settings.batch_records_max,
        )
        watch = Watch()
        service.consume(verdicts(handler, service.clock))
        service.consume(commands(handler, service.clock))
        service.consume(license_view(TOPIC, watch.changed))
        service.also(door.run())
        service.also(timer.run())
        app = service.new_app("Perennial device service", VERSION)
        app.include_router(routes(Doors(door, service.pool, service.clock, watch, settings.operator_key_hash)))
        await service.run(app)


if __name__ == "__main__":
    main(serve)
