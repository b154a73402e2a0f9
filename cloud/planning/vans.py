"""What of a van's entry in the register limits and prices its day. Pure."""

from typing import TypedDict

from cloud.fleet.model import Vehicle


class RangeAndPrices(TypedDict):
    """Fields of the planner's vehicle."""

    range_m: int | None
    km: float | None
    hour: float | None
    use: float | None


def range_and_prices(van: Vehicle, driven_m: int, *, is_out: bool) -> RangeAndPrices:
    """How far it can still go after ``driven_m`` metres today, and what that costs.

    A van that is out already is sent out for nothing.
    """
    left_m = None if van.range_km is None else max(0, round(van.range_km * 1_000) - driven_m)
    return {
        "range_m": left_m,
        "km": van.price_km,
        "hour": van.price_hour,
        "use": 0.0 if is_out else van.price_use,
    }
