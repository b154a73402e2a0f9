"""What the fleet tells the rest of the house, through the outbox."""

from typing import Literal

import msgspec

type Change = Literal["added", "changed", "cancelled"]


class VehicleDisabled(msgspec.Struct, frozen=True, kw_only=True):
    """The van is not sent out any more and its gateway is shut out."""

    vehicle_id: str


class VehicleEnabled(msgspec.Struct, frozen=True, kw_only=True):
    """The van may be sent out again and its gateway is let in."""

    vehicle_id: str


class ShiftChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A depot's service date has other shifts now."""

    shift_id: str
    vehicle_id: str
    depot_id: str
    service_date: str
    change: Change


class DriverAssigned(msgspec.Struct, frozen=True, kw_only=True):
    """Who drives a van is another from an instant on; None is nobody.

    ``begin`` is in seconds since 1970.
    """

    vehicle_id: str
    driver_id: str | None
    begin: float


class GatewayAssigned(msgspec.Struct, frozen=True, kw_only=True):
    """Which box is in a van is another from an instant on; None is no box.

    ``begin`` is in seconds since 1970.
    """

    vehicle_id: str
    gateway_id: str | None
    begin: float
