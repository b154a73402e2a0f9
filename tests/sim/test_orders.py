import csv
import io
from datetime import date
from random import Random

from sim.geodesy import distance_m
from sim.opening import DEPOT
from sim.orders import COLUMNS, Order, as_csv, orders_of_day
from sim.streets import Streets

DAY = date(2026, 11, 22)


def orders(streets: Streets, *, count: int = 120, vans: int = 8, seed: int = 1) -> list[Order]:
    return orders_of_day(
        streets=streets, depot=DEPOT, day=DAY, count=count, vans=vans, rng=Random(seed)
    )


def test_every_door_stands_beside_a_street_of_its_name(streets: Streets) -> None:
    for order in orders(streets):
        place = streets.nearest(order.door.point)
        assert place.away_m < 15
        street, _, number = order.door.address.rpartition(" ")
        assert street
        assert number.isdigit()
        assert distance_m(DEPOT, order.door.point) < 12_100


def test_no_two_orders_go_to_one_address(streets: Streets) -> None:
    day = orders(streets)
    assert len(day) == 120
    assert len({order.door.address for order in day}) == 120
    assert len({order.reference for order in day}) == 120


def test_some_windows_are_tight_some_half_a_day_some_absent(streets: Streets) -> None:
    windows = [order.window for order in orders(streets)]
    hours = [int(to[:2]) - int(begin[:2]) for begin, to in windows if begin]
    assert {1, 2, 5} <= set(hours)
    assert ("", "") in windows
    for begin, to in windows:
        assert (begin, to) == ("", "") or "08:00" <= begin < to <= "18:00"


def test_one_seed_is_always_the_same_day(streets: Streets) -> None:
    assert orders(streets, seed=3) == orders(streets, seed=3)
    assert orders(streets, seed=3) != orders(streets, seed=4)


def test_service_leaves_time_to_drive(streets: Streets) -> None:
    for count, vans in ((120, 8), (40, 8), (300, 6)):
        day = orders(streets, count=count, vans=vans)
        minutes_a_van = sum(order.service_min for order in day) / vans
        assert minutes_a_van < 400


def test_the_csv_reads_back_as_it_was_meant(streets: Streets) -> None:
    day = orders(streets, count=20, vans=2)
    rows = list(csv.DictReader(io.StringIO(as_csv(day).decode())))
    assert len(rows) == 20
    assert tuple(rows[0]) == COLUMNS
    for row, order in zip(rows, day, strict=True):
        assert tuple(row.values()) == order.row()
        assert 1 <= int(row["parcels"]) <= 3
