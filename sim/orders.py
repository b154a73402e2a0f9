"""A day of orders at doors on real streets, as a shop would hand it over: rows of a CSV."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from itertools import accumulate
from math import cos, radians, sin
from random import Random
from typing import Final, NamedTuple

from sim.geodesy import Point, bearing_deg, between, distance_m, moved
from sim.streets import Segment, Streets, StreetsError

COLUMNS: Final = (
    "reference",
    "address",
    "lat",
    "lon",
    "window_from",
    "window_to",
    "service_minutes",
    "parcels",
    "priority",
    "recipient_name",
    "recipient_phone",
    "note",
)

_HOMES: Final = frozenset({"residential", "living_street", "tertiary", "unclassified"})
_REACH_M: Final = 12_000.0
_DRIVE_BETWEEN_MIN: Final = 6.0
_WORKDAY_MIN: Final = 560.0
_FIRST: Final = ("Ana", "Benjamín", "Camila", "Diego", "Elisa", "Felipe", "Gabriela", "Hugo")
_LAST: Final = ("Araya", "Cortés", "Díaz", "Godoy", "Mistral", "Olivares", "Rojas", "Tapia")
_NOTES: Final = ("", "", "", "", "ring twice", "behind the green gate", "leave nothing outside")


class Door(NamedTuple):
    """A house: street and number, and where it stands."""

    address: str
    point: Point


class Order(NamedTuple):
    """One row; an empty window means any time, clock times are local."""

    reference: str
    door: Door
    window: tuple[str, str]
    service_min: int
    parcels: int
    recipient_name: str
    recipient_phone: str
    note: str

    def row(self) -> tuple[str, ...]:
        """Its cells in the order of `COLUMNS`."""
        lat, lon = self.door.point
        return (
            self.reference,
            self.door.address,
            f"{lat:.6f}",
            f"{lon:.6f}",
            *self.window,
            str(self.service_min),
            str(self.parcels),
            "normal",
            self.recipient_name,
            self.recipient_phone,
            self.note,
        )


def orders_of_day(
    *, streets: Streets, depot: Point, day: date, count: int, vans: int, rng: Random
) -> list[Order]:
    """So many orders that the vans are busy from about 8 to half past 5.

    Raises:
        StreetsError: no street with a name lies near the depot.
    """
    doors = _doors(streets, depot, count, rng)
    service = _service_minutes(count / vans)
    return [
        Order(
            reference=f"R{day:%m%d}-{number:03d}",
            door=door,
            window=_window(rng),
            service_min=max(2, round(rng.choice((0.6, 0.8, 1.0, 1.2, 1.4)) * service)),
            parcels=rng.choice((1, 1, 1, 2, 2, 3)),
            recipient_name=f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
            recipient_phone=f"+56 9 5555 {rng.randrange(10_000):04d}",
            note=rng.choice(_NOTES),
        )
        for number, door in enumerate(doors, start=1)
    ]


def as_csv(orders: Sequence[Order]) -> bytes:
    """The orders as the import reads them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(order.row() for order in orders)
    return text.getvalue().encode()


def _doors(streets: Streets, depot: Point, count: int, rng: Random) -> list[Door]:
    pieces = [
        (ends, part)
        for ends, part in streets.segments.items()
        if part.street.kind in _HOMES
        and part.street.name
        and distance_m(depot, streets.point(ends[0])) < _REACH_M
    ]
    if not pieces:
        raise StreetsError(f"orders: no street with a name within {_REACH_M:.0f} m of {depot}")
    origins: dict[str, Point] = {}
    for ends, part in pieces:
        origins.setdefault(part.street.name, streets.point(ends[0]))
    reaches = list(accumulate(part.length_m for _, part in pieces))
    doors: dict[str, Door] = {}
    for _ in range(count * 20):
        ends, part = rng.choices(pieces, cum_weights=reaches)[0]
        door = _door(streets, ends, part, origins[part.street.name], rng)
        doors.setdefault(door.address, door)
        if len(doors) == count:
            break
    return list(doors.values())


def _door(
    streets: Streets, ends: tuple[int, int], part: Segment, origin: Point, rng: Random
) -> Door:
    """A house beside the street: even numbers on its right side, odd ones on its left."""
    tail, head = streets.point(ends[0]), streets.point(ends[1])
    is_right = rng.random() < 0.5
    on_street = between(tail, head, rng.random())
    across = radians(bearing_deg(tail, head) + (90 if is_right else -90))
    setback_m = rng.uniform(7.0, 14.0)
    number = 100 + 2 * int(distance_m(origin, on_street) / 10) + (0 if is_right else 1)
    point = moved(on_street, east_m=setback_m * sin(across), north_m=setback_m * cos(across))
    return Door(f"{part.street.name} {number}", point)


def _service_minutes(orders_a_van: float) -> float:
    """What is left of the day for each order after driving, but for a fifth kept as slack."""
    return min(24.0, max(3.0, 0.8 * _WORKDAY_MIN / orders_a_van - _DRIVE_BETWEEN_MIN))


def _window(rng: Random) -> tuple[str, str]:
    """A fifth tight (1 h), two fifths of 2 h, a quarter half a day, the rest none."""
    share = rng.random()
    if share < 0.6:
        hours = 1 if share < 0.2 else 2
        begin = rng.randrange(8 * 60 + 30, (18 - hours) * 60 - 15, 15)
        return _clock(begin), _clock(begin + hours * 60)
    if share < 0.85:
        return rng.choice((("08:00", "13:00"), ("13:00", "18:00")))
    return "", ""


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
