"""The operations of a service on a real ledger, as its composition root makes them: without Kafka, without workers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.kafka.consumer import Source
from shared.ledger.clock import Clock
from shared.ledger.database import Pool
from shared.ledger.outbox import Outbox
from shared.operations import Operations, ParkedMessages, Projections
from shared.projector import Projection
from shared.proof.latest_checkpoint import LatestCheckpoint
from tests.at_the_door import nothing

NOBODY = "127.0.0.1:1"
"""Where no Kafka and no PostgreSQL listens."""


def operations_on(
    pool: Pool,
    outbox: Outbox,
    sources: Sequence[Source[Any]],
    projections: Sequence[Projection[Any]],
    *,
    database_url: str = f"postgresql://{NOBODY}/nothing",
    checkpoint_folder: Path | None = None,
) -> Operations:
    """Return what the composition root hands to the doors."""
    clock = Clock(sandbox=True)
    return Operations(
        service=outbox.topic.partition(".")[0],
        pool=pool,
        sources=sources,
        topic=outbox.topic,
        parked=ParkedMessages(
            pool=pool,
            sources={source.name: source for source in sources},
            outbox=outbox,
            clock=clock,
            on_append=nothing,
        ),
        projections=Projections(
            pool=pool,
            known={projection.name: projection for projection in projections},
            database_url=database_url,
            bootstrap_servers=NOBODY,
            outbox=outbox,
            clock=clock,
        ),
        checkpoints=LatestCheckpoint(outbox.source, checkpoint_folder),
    )
