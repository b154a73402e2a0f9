"""Waves: when a depot has the parcels ready of what was ordered until a time. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Final

import msgspec

from cloud.fleet.hours import local_instant, require_local_time
from cloud.foundation.errors import Invalid
from cloud.orders.model import Order

MOST_WAVES: Final = 12
"""Of one depot, each day."""


class Wave(msgspec.Struct, frozen=True):
    """What has come in by ``cutoff`` on the service date is ready at ``ready``; local, HH:MM."""

    cutoff: str
    ready: str


class WavesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A depot has its parcels ready at other times."""

    depot_id: str
    before: tuple[Wave, ...]
    after: tuple[Wave, ...]


def require_waves(waves: Iterable[Wave]) -> tuple[Wave, ...]:
    """The waves, when each comes after the one before.

    Raises:
        Invalid: a time is not HH:MM, one comes before another, or there are too many.
    """
    told = tuple(waves)
    if len(told) > MOST_WAVES:
        raise Invalid.field("waves", f"{len(told)} waves", f"give {MOST_WAVES} at most")
    for at, wave in enumerate(told):
        require_local_time(f"waves.{at}.cutoff", wave.cutoff)
        require_local_time(f"waves.{at}.ready", wave.ready)
        if wave.ready < wave.cutoff:
            raise Invalid.field(
                f"waves.{at}.ready", f"{wave.ready} is before {wave.cutoff}", "swap or mend them"
            )
    for at, (one, after) in enumerate(pairwise(told), start=1):
        if after.cutoff <= one.cutoff or after.ready <= one.ready:
            raise Invalid.field(
                f"waves.{at}", f"does not come after wave {at - 1}", "put them in order"
            )
    return told


def with_wave(order: Order, waves: Iterable[Wave], zone: str) -> Order:
    """The order with the time at which its wave is ready, when it waits for one.

    Its own ready time goes before. What is urgent, comes after the last cut-off, or does not lie at
    the depot waits for none.
    """
    waits = order.ready_from is None and order.priority == "normal"
    if not waits or order.is_return or order.pickup is not None:
        return order
    for wave in waves:
        if order.created_at <= local_instant(order.service_date, wave.cutoff, zone):
            ready = local_instant(order.service_date, wave.ready, zone)
            return replace(order, ready_from=ready)
    return order
