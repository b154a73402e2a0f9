"""Geofences as zones: in which vans and drivers would rather deliver. Pure."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from cloud.fleet.model import Driver, Vehicle


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A geofence that is somebody's zone.

    ``is_drawn``: whether there is that fence still; plans take it for none otherwise.
    """

    geofence_id: str
    is_drawn: bool
    vehicles: tuple[Vehicle, ...]
    drivers: tuple[Driver, ...]


def zones_of(
    drawn: Container[str], vehicles: Iterable[Vehicle], drivers: Iterable[Driver]
) -> list[Zone]:
    """Every zone of some vans and drivers, by id.

    Args:
        drawn: ids of the fences that there are.
        vehicles: whose zones are told.
        drivers: the same.
    """
    vans: dict[str, list[Vehicle]] = {}
    people: dict[str, list[Driver]] = {}
    for van in vehicles:
        for zone in van.zones:
            vans.setdefault(zone, []).append(van)
    for driver in drivers:
        for zone in driver.zones:
            people.setdefault(zone, []).append(driver)
    return [
        Zone(
            geofence_id=zone,
            is_drawn=zone in drawn,
            vehicles=tuple(vans.get(zone, ())),
            drivers=tuple(people.get(zone, ())),
        )
        for zone in sorted(vans.keys() | people.keys())
    ]
