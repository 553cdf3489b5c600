"""Composition root of the activation service: the only place that wires it. `python -m services.activation`."""

from services.activation.api import Doors, routes
from services.activation.consumer import purchases, requests
from services.activation.decider import DECIDER
from services.activation.outbox import OUTBOX, SANDBOX_OUTBOX
from services.activation.store import CodeStore
from shared.command_handler import CommandHandler
from shared.door import Door
from shared.service import main, opened
from shared.settings import ServiceSettings
from shared.version import VERSION


async def serve(settings: ServiceSettings) -> None:
    """Run one worker of the activation service until it is told to stop."""
    outboxes = {"production": OUTBOX, "sandbox": SANDBOX_OUTBOX}
    async with opened("activation", settings, outboxes) as service:
        handler = CommandHandler(DECIDER, CodeStore(), service.outbox)
        door = Door(handler, pool=service.pool, on_append=service.on_append)
        for source in (requests(handler, service.clock), purchases(handler, service.clock)):
            service.consume(source)
        service.also(door.run())
        app = service.new_app("Perennial activation service", VERSION)
        app.include_router(routes(Doors(door, service.pool, service.clock, settings.operator_key_hash)))
        await service.run(app)


if __name__ == "__main__":
    main(serve)
