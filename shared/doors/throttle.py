"""Rate limiting: a token bucket for each client address, in this process, in bounded memory."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from time import monotonic

ADDRESSES_MAX = 10_000
IPV6_NETWORK_BITS = 64
"""A provider's customer gets a whole network of this size, so its addresses count as one."""


@dataclass(slots=True, kw_only=True)
class Throttle:
    """Admits `per_minute` requests from one address, all at once after a quiet minute.

    Beyond `ADDRESSES_MAX` addresses the one that was quiet longest is forgotten, so honest clients never starve.
    """

    per_minute: int
    seconds: Callable[[], float] = monotonic
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait_seconds(self, address: str) -> float:
        """Take one of the address's tokens and return 0, or return how long it must wait for the next one."""
        bucket, now, rate = _bucket_of(address), self.seconds(), self.per_minute / 60
        left, last = self._buckets.pop(bucket, (float(self.per_minute), now))
        left = min(self.per_minute, left + (now - last) * rate)
        wait = 0.0 if left >= 1 else (1 - left) / rate
        self._buckets[bucket] = (left if wait else left - 1, now)
        if len(self._buckets) > ADDRESSES_MAX:
            self._buckets.popitem(last=False)
        return wait


def _bucket_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(int(parsed) >> (128 - IPV6_NETWORK_BITS))
