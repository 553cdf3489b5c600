"""Composition root of the activation service: the only place that wires it. `python -m services.activation`."""

from pathlib import Path

from services.activation.api import Doors, routes
from services.activation.consumer import purchases, requests
from services.activation.decider import decider
from services.activation.forecast import FORECAST
from services.activation.outbox import OUTBOX, SANDBOX_OUTBOX
from services.activation.projection import CODE_VIEW
from services.activation.store import CodeStore
from shared.command_handler import CommandHandler
from shared.door import Door
from shared.projector.live import live
from shared.sealing import Sealing
from shared.service import main, opened
from shared.settings import ServiceSettings
from shared.version import VERSION

MIGRATIONS = Path(__file__).with_name("migrations")


async def serve(settings: ServiceSettings) -> None:
    """Run one worker of the activation service until it is told to stop."""
    outboxes = {"production": OUTBOX, "sandbox": SANDBOX_OUTBOX}
    async with opened("activation", settings, outboxes, migrations=MIGRATIONS) as service:
        handler = CommandHandler(decider(settings.policy()), CodeStore(), service.outbox)
        door = Door(handler, pool=service.pool, on_append=service.on_append)
        for source in (requests(handler, service.clock), purchases(handler, service.clock)):
            service.consume(source)
        service.consume(live(CODE_VIEW))
        service.consume(live(FORECAST))
        service.also(door.run())
        app = service.new_app("Perennial activation service", VERSION)
        doors = Doors(
            door=door,
            pool=service.pool,
            clock=service.clock,
            sealing=Sealing(service.pool),
            operator_key_hash=settings.operator_key_hash,
            policy=settings.policy(),
        )
        app.include_router(routes(doors))
        await service.run(app)


if __name__ == "__main__":
    main("activation", serve)
