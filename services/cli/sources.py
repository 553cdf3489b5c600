"""The consumers that make decisions, wired as in the services.

The command line is a second composition root besides the services' `__main__`: redriven records must go through the
same source, rules and outbox.
"""

from collections.abc import Mapping
from typing import Any

from services.activation import consumer as activation
from services.activation import decider as codes
from services.activation.store import CodeStore
from services.cli.ledgers import Ledger
from services.cli.names import ServiceName
from services.device import consumer as device
from services.device import decider as devices
from services.device.store import DeviceStore
from shared.kafka.consumer import Source
from shared.ledger.command_handler import CommandHandler


def sources_of(service: ServiceName, ledger: Ledger) -> Mapping[str, Source[Any]]:
    """Return the consumers of a service by name, without projections: these are rebuilt, not redriven."""
    sources: list[Source[Any]]
    match service:
        case "device":
            on_devices = CommandHandler(devices.DECIDER, DeviceStore(), ledger.outbox)
            sources = [device.verdicts(on_devices, ledger.clock), device.commands(on_devices, ledger.clock)]
        case "activation":
            on_codes = CommandHandler(codes.DECIDER, CodeStore(), ledger.outbox)
            sources = [activation.requests(on_codes, ledger.clock), activation.purchases(on_codes, ledger.clock)]
    return {source.name: source for source in sources}
