"""Was every promise kept? What somebody was told is in the ledger, once."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from uuid import UUID

from shared.ledger.events import NewEvent
from tests.journeys.checker.findings import Acknowledged, Finding, ServiceName

type Key = tuple[UUID | None, tuple[str, ...]]


class Promises:
    """The acknowledged requests; each event is counted for those that it may answer."""

    def __init__(self, acknowledged: Iterable[Acknowledged]) -> None:
        self._acknowledged = list(acknowledged)
        # by ledger and type: the sets of fields that promises of this type name
        self._shapes: dict[tuple[ServiceName, str], set[tuple[tuple[str, ...], bool]]] = defaultdict(set)
        for promise in self._acknowledged:
            shape = (tuple(sorted(promise.fields)), promise.causation_id is not None)
            self._shapes[promise.ledger, promise.type_name].add(shape)
        self._counts: Counter[tuple[ServiceName, str, tuple[str, ...], Key]] = Counter()

    def see(self, service: ServiceName, event: NewEvent) -> None:
        """Look at the next event."""
        shapes = self._shapes.get((service, event.type_name))
        if not shapes:
            return
        body = json.loads(event.data)
        for names, caused in shapes:
            key: Key = (event.causation_id if caused else None, tuple(str(body.get(name)) for name in names))
            self._counts[service, event.type_name, names, key] += 1

    def findings(self) -> list[Finding]:
        """Return the promises that were not kept, or kept twice."""
        found = []
        for promise in self._acknowledged:
            names = tuple(sorted(promise.fields))
            key: Key = (promise.causation_id, tuple(promise.fields[name] for name in names))
            count = self._counts[promise.ledger, promise.type_name, names, key]
            if count == 0:
                found.append(Finding(name="acknowledged_but_lost", ledger=promise.ledger, where=str(promise)))
            if count > 1:
                detail = f"{count} times in the ledger"
                found.append(
                    Finding(name="acknowledged_but_doubled", ledger=promise.ledger, where=str(promise), detail=detail)
                )
        return found
