"""Composition root of the activation service: the only place that wires it. `python -m services.activation`."""

from pathlib import Path

from services.activation.api import Doors, routes
from services.activation.console import PAGES, Console, DeviceClient, device_client, key_login, preview_door
from services.activation.console import routes as console_routes
from services.activation.consumer import purchases, requests
from services.activation.decider import decider
from services.activation.forecast import FORECAST
from services.activation.outbox import OUTBOX, SANDBOX_OUTBOX
from services.activation.projection import CODE, CODE_VIEW, FIRST_ACTIVATION, SEAT
from services.activation.reference import APPLICATION, ROUTES
from services.activation.store import CodeStore
from shared.doors.command_queue import CommandQueue
from shared.doors.limits import allow_forms
from shared.keys.crypto_shredding import Sealing
from shared.keys.signing import KeyRing
from shared.ledger.command_handler import CommandHandler
from shared.operations import operations_door
from shared.pages import FORM_BYTES_MAX
from shared.projector.live import live
from shared.reference import reference_door
from shared.service import main, opened
from shared.settings.environment import ServiceSettings
from shared.version import VERSION

GATHER_SECONDS = 0.2
"""Support and vendors read these views; no device waits for them."""
MIGRATIONS = Path(__file__).with_name("migrations")


async def serve(settings: ServiceSettings) -> None:
    """Run one worker of the activation service until it is stopped."""
    outboxes = {"production": OUTBOX, "sandbox": SANDBOX_OUTBOX}
    keys = KeyRing.read(settings.signing_key_file) if settings.signing_key_file else None
    async with (
        opened("activation", settings, outboxes, migrations=MIGRATIONS) as service,
        device_client(settings.device_url) as client,
    ):
        handler = CommandHandler(decider(settings.policy()), CodeStore(), service.outbox)
        queue = CommandQueue(handler, pool=service.pool, append=service.append)
        for source in (requests(handler, service.clock), purchases(handler, service.clock)):
            service.consume(source)
        service.consume(live(CODE_VIEW, gather_seconds=GATHER_SECONDS))
        service.consume(live(FORECAST, gather_seconds=GATHER_SECONDS))
        service.also(queue.run())
        service.check(queue.problem)
        operations = service.operate(CODE_VIEW, FORECAST, CODE, SEAT, FIRST_ACTIVATION)
        app = service.new_app("Perennial activation service", VERSION)
        doors = Doors(
            queue=queue,
            pool=service.pool,
            clock=service.clock,
            sealing=Sealing(service.pool),
            operator_key_hash=settings.operator_key_hash,
            policy=settings.policy(),
        )
        app.include_router(routes(doors))
        app.include_router(operations_door(operations, settings.operator_key_hash))
        console = Console(
            doors=doors,
            devices=DeviceClient(client=client, keys=keys),
            operations=operations,
            login=key_login(settings.operator_key_hash),
        )
        app.include_router(console_routes(console))
        app.include_router(preview_door(doors))
        allow_forms(app, under=PAGES, bytes_max=FORM_BYTES_MAX)
        app.include_router(reference_door(app, APPLICATION, ROUTES))
        await service.run(app)


if __name__ == "__main__":
    main("activation", serve)
