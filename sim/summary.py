"""What a demo has to show: asked of the product, beside the world's own count."""

from collections import Counter
from datetime import date
from typing import Final

import msgspec

from sim.api import Api, RefusedError, rfc3339, seconds_of
from sim.opening import DEPOT_ID
from sim.record import VanMoment

_MANY: Final = "200"
_DELIVERED: Final = frozenset({"delivered", "partially_delivered"})
_OVER: Final = frozenset({"failed_attempt", "returning", "returned", "lost", "reschedule_pending"})


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts at the end.

    Attributes:
        fixes_told: by the receivers, all runs. fixes_stored: what tracks show; None when not told.
        late: delivered after the window's end. driven_km: by all vans, in the world.
    """

    day: date
    delivered: int
    failed: int
    cancelled: int
    open: int
    late: int
    driven_km: float
    fixes_told: int
    fixes_stored: int | None

    def line(self) -> str:
        """One line for people."""
        stored = "unknown" if self.fixes_stored is None else f"{self.fixes_stored}"
        return (
            f"{self.day}: {self.delivered} delivered ({self.late} late), {self.failed} failed, "
            f"{self.open} open, {self.cancelled} cancelled; {self.driven_km:.0f} km; "
            f"{self.fixes_told} fixes told by the receivers, {stored} kept and stored"
        )


async def summarize(
    api: Api, *, day: date, vans: dict[str, VanMoment], from_s: float, to_s: float
) -> Summary:
    """Ask the product how the service date ``day`` stands; tracks from ``from_s`` to ``to_s``."""
    states = await _order_states(api, day)
    delivered = sum(count for state, count in states.items() if state in _DELIVERED)
    failed = sum(count for state, count in states.items() if state in _OVER)
    cancelled = states["cancelled"]
    return Summary(
        day=day,
        delivered=delivered,
        failed=failed,
        cancelled=cancelled,
        open=states.total() - delivered - failed - cancelled,
        late=await _late(api, day),
        driven_km=sum(van.driven_m for van in vans.values()) / 1000,
        fixes_told=sum(van.fixes for van in vans.values()),
        fixes_stored=await _fixes_stored(api, list(vans), from_s, to_s),
    )


async def _order_states(api: Api, day: date) -> Counter[str]:
    states: Counter[str] = Counter()
    query = {"depot_id": DEPOT_ID, "service_date": f"{day}", "limit": _MANY}
    while True:
        page = await api.get("orders", **query)
        states.update(order["state"] for order in page["items"])
        if not page.get("next_cursor"):
            return states
        query["cursor"] = page["next_cursor"]


async def _late(api: Api, day: date) -> int:
    try:
        plan = await api.get(f"depots/{DEPOT_ID}/plans/{day}")
    except RefusedError:
        return 0
    served = [
        (seconds_of(stop["arrived_at"]), seconds_of(stop["window"]["to"]))
        for route in plan["routes"]
        for stop in route["stops"]
        if stop["state"] == "done" and stop["window"] and stop["arrived_at"]
    ]
    return sum(arrived_s > closes_s for arrived_s, closes_s in served)


async def _fixes_stored(api: Api, vans: list[str], from_s: float, to_s: float) -> int | None:
    span = {"from": rfc3339(from_s), "to": rfc3339(to_s)}
    stored = 0
    try:
        for van in vans:
            track = await api.get(f"vehicles/{van}/track", **span)
            stored += len(track["properties"]["times"])
    except (RefusedError, KeyError, TypeError):
        return None
    return stored
