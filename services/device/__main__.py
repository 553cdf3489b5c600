"""Composition root of the device service: the only place that wires it. `python -m services.device`."""

from pathlib import Path

from services.device.api import LARGER_BODIES, Doors, Throttle, Watch, routes
from services.device.consumer import commands, verdicts
from services.device.decider import decider
from services.device.outbox import OUTBOX, SANDBOX_OUTBOX
from services.device.outlook import CODE_TERMS
from services.device.projection import DEVICE, LICENSE_VIEW, on_folded
from services.device.reference import APPLICATION, ROUTES
from services.device.store import DeviceStore
from services.device.timer import Timer
from services.device.window import FORM_BYTES_MAX, PAGES, Window
from services.device.window import routes as window_routes
from shared.doors.command_queue import CommandQueue
from shared.doors.limits import allow_forms, allow_larger_bodies
from shared.keys.crypto_shredding import Sealing
from shared.keys.operators import OperatorTokens
from shared.keys.signing import KeyRing, PublicKeys
from shared.ledger.command_handler import CommandHandler
from shared.operations import operations_door
from shared.projector.live import live
from shared.reference import reference_door
from shared.service import main, opened
from shared.settings.environment import ServiceSettings
from shared.version import VERSION

GATHER_SECONDS = 0.2
"""So long a view that no decision waits for may lag, so that one transaction can take up what comes meanwhile."""
MIGRATIONS = Path(__file__).with_name("migrations")


def console_tokens(settings: ServiceSettings) -> OperatorTokens | None:
    """Return the check of operator tokens, or None if this service accepts none. Raises `NoSigningKey`."""
    if settings.console_keys_file is None:
        return None
    return OperatorTokens(keys=PublicKeys.from_pem(settings.console_keys_file), audience="device")


async def serve(settings: ServiceSettings) -> None:
    """Run one worker of the device service until it is stopped."""
    outboxes = {"production": OUTBOX, "sandbox": SANDBOX_OUTBOX}
    async with opened("device", settings, outboxes, migrations=MIGRATIONS) as service:
        handler = CommandHandler(decider(settings.policy()), DeviceStore(), service.outbox)
        watch = Watch()
        service.keep_inline(LICENSE_VIEW, on_folded(watch.changed))
        queue = CommandQueue(handler, pool=service.pool, append=service.append)
        timer = Timer(
            handler,
            pool=service.pool,
            clock=service.clock,
            leases=service.leases,
            append=service.append,
            batch_max=settings.batch_records_max,
        )
        freshness = service.consume(verdicts(handler, service.clock))
        service.also(freshness.run())
        service.consume(commands(handler, service.clock))
        service.consume(live(CODE_TERMS, gather_seconds=GATHER_SECONDS))
        service.also(queue.run())
        service.check(queue.problem)
        service.also(timer.run(), wake=timer.wake)
        service.gauge(
            "perennial_timers_overdue_seconds", "How late the last look found a timer", lambda: timer.overdue_seconds
        )
        service.gauge("perennial_timers_overdue", "Timers that the last look found due", lambda: timer.overdue)
        operations = service.operate(LICENSE_VIEW, DEVICE, CODE_TERMS)
        tokens = console_tokens(settings)
        app = service.new_app("Perennial device service", VERSION)
        doors = Doors(
            queue=queue,
            pool=service.pool,
            clock=service.clock,
            watch=watch,
            heard_until=freshness.as_of,
            sealing=Sealing(service.pool),
            enrollments=Throttle(per_minute=settings.enrollments_per_minute),
            keys=KeyRing.read(settings.signing_key_file) if settings.signing_key_file else None,
            issuer=service.outbox.source,
            operator_key_hash=settings.operator_key_hash,
            operator_tokens=tokens,
            policy=settings.policy(),
        )
        app.include_router(routes(doors))
        app.include_router(operations_door(operations, settings.operator_key_hash, tokens))
        app.include_router(window_routes(Window(doors=doors, stopping=service.stopping)))
        app.include_router(reference_door(app, APPLICATION, ROUTES))
        allow_larger_bodies(app, LARGER_BODIES)
        allow_forms(app, under=PAGES, bytes_max=FORM_BYTES_MAX)
        await service.run(app)


if __name__ == "__main__":
    main("device", serve)
