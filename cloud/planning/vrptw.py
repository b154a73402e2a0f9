"""Files of Solomon and of Homberger: vehicle routing with time windows, as its literature keeps it.

Distances follow the convention of the DIMACS implementation challenge: Euclidean, truncated to one
decimal, and travel takes as long as it is far. Everything is counted in whole tenths here, so that
no sum is rounded. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.foundation.errors import CloudError
from cloud.planning.problem import Job, Location, Policy, Problem, Vehicle, Window
from cloud.planning.solvers.port import Sequences
from cloud.roads.model import Matrix

TENTHS: Final = 10
MOST_COORDINATE: Final = 100_000
MOST_TIME: Final = 300_000
MOST_DEMAND: Final = 1_000_000
MOST_VEHICLES: Final = 2_000
_MAX_CUSTOMERS: Final = 5_000
"""They are searched on one matrix: a file does not tell which belong together."""
_COLUMNS: Final = ("number", "x", "y", "demand", "ready time", "due date", "service time")
_WORDS: Final = frozenset({"VEHICLE", "NUMBER", "CUSTOMER", "CUST"})


class BadInstance(CloudError):
    """The file is none of this format; the text names line, field and remedy."""

    @classmethod
    def at(cls, line: int, field: str, problem: str, remedy: str) -> "BadInstance":
        """One bad field of one line, counted from 1."""
        return cls(f"line {line}, {field}: {problem}; {remedy}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One row: where, how much, and when its service may start and how long it takes."""

    number: int
    x: float
    y: float
    demand: int
    ready: int
    due: int
    service: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A whole file. All vehicles are alike; ``depot`` is its first row."""

    name: str
    vehicles: int
    capacity: int
    depot: Customer
    customers: tuple[Customer, ...]


def read(text: str) -> Instance:
    """The instance that ``text`` tells.

    Raises:
        BadInstance: it is not of this format, or a value is out of range.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1)]
    filled = [(number, words) for number, words in lines if words]
    name = " ".join(filled[0][1]) if filled else ""
    numeric = [(number, words) for number, words in filled[1:] if not _is_heading(words)]
    if len(numeric) < 2:
        raise BadInstance(
            "file: no vehicles and customers in it; give a file of Solomon's form: a name, VEHICLE "
            "with number and capacity, CUSTOMER with seven numbers a row"
        )
    vehicles, capacity = _fleet(*numeric[0])
    if len(numeric) - 2 > _MAX_CUSTOMERS:
        raise BadInstance(
            f"customers: {len(numeric) - 2}, at most {_MAX_CUSTOMERS}; cut the file into parts"
        )
    depot, *customers = _distinct(_customer(*row) for row in numeric[1:])
    for (line, _), customer in zip(numeric[2:], customers, strict=True):
        _require_within(line, customer, depot, capacity)
    return Instance(
        name=name,
        vehicles=vehicles,
        capacity=capacity,
        depot=depot,
        customers=tuple(customers),
    )


def _is_heading(words: Sequence[str]) -> bool:
    return words[0].upper() in _WORDS


def _fleet(line: int, words: Sequence[str]) -> tuple[int, int]:
    if len(words) != 2:
        raise BadInstance.at(
            line, "vehicles", f"{len(words)} values", "give two: how many, and their capacity"
        )
    return (
        _whole(line, "vehicle number", words[0], 1, MOST_VEHICLES),
        _whole(line, "capacity", words[1], 0, MOST_DEMAND),
    )


def _customer(line: int, words: Sequence[str]) -> tuple[int, Customer]:
    if len(words) != len(_COLUMNS):
        raise BadInstance.at(
            line,
            "customer",
            f"{len(words)} values",
            f"give {len(_COLUMNS)}: {', '.join(_COLUMNS)}",
        )
    number, x, y, demand, ready, due, service = words
    customer = Customer(
        number=_whole(line, "number", number, 0, 10**9),
        x=_coordinate(line, "x", x),
        y=_coordinate(line, "y", y),
        demand=_whole(line, "demand", demand, 0, MOST_DEMAND),
        ready=_whole(line, "ready time", ready, 0, MOST_TIME),
        due=_whole(line, "due date", due, 0, MOST_TIME),
        service=_whole(line, "service time", service, 0, MOST_TIME),
    )
    if customer.ready > customer.due:
        raise BadInstance.at(
            line, "due date", f"{due} is before the ready time {ready}", "swap or correct them"
        )
    return line, customer


def _whole(line: int, field: str, said: str, least: int, most: int) -> int:
    value = _number(line, field, said)
    if value != int(value):
        raise BadInstance.at(line, field, f"{said} is no whole number", "give one")
    if not least <= value <= most:
        raise BadInstance.at(line, field, f"{said} is out of range", f"give {least} to {most}")
    return int(value)


def _coordinate(line: int, field: str, said: str) -> float:
    value = _number(line, field, said)
    if abs(value) > MOST_COORDINATE:
        raise BadInstance.at(
            line, field, f"{said} is out of range", f"give at most {MOST_COORDINATE}"
        )
    return value


def _number(line: int, field: str, said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise BadInstance.at(line, field, f"{said[:40]!r} is no number", "give one")
    return value


def _distinct(rows: Iterable[tuple[int, Customer]]) -> Iterator[Customer]:
    first_seen: dict[int, int] = {}
    for line, customer in rows:
        earlier = first_seen.setdefault(customer.number, line)
        if earlier != line:
            raise BadInstance.at(
                line,
                "number",
                f"{customer.number} stands in line {earlier} already",
                "give each customer its own",
            )
        yield customer


def _require_within(line: int, customer: Customer, depot: Customer, capacity: int) -> None:
    if customer.demand > capacity:
        raise BadInstance.at(
            line,
            "demand",
            f"{customer.demand} is more than a vehicle's capacity {capacity}",
            "split the customer or enlarge the vehicles",
        )
    way = distance_tenths(depot, customer)
    there = max(depot.ready * TENTHS + way, customer.ready * TENTHS)
    if there > customer.due * TENTHS:
        raise BadInstance.at(
            line,
            "due date",
            f"no vehicle can be there before {there / TENTHS:g}",
            "give a later one",
        )
    if there + customer.service * TENTHS + way > depot.due * TENTHS:
        raise BadInstance.at(
            line,
            "due date",
            f"no vehicle that serves it is back when the depot closes at {depot.due}",
            "let the depot close later",
        )


def distance_tenths(one: Customer, other: Customer) -> int:
    """How far, and how long, it is between two, in whole tenths."""
    return int(sqrt(TENTHS**2 * ((one.x - other.x) ** 2 + (one.y - other.y) ** 2)))


def distances_tenths(instance: Instance) -> npt.NDArray[np.int32]:
    """Between depot (first) and all customers, in whole tenths."""
    rows = (instance.depot, *instance.customers)
    x, y = (np.array([getattr(row, axis) for row in rows], dtype=np.float64) for axis in "xy")
    squares = (x[:, None] - x[None, :]) ** 2 + (y[:, None] - y[None, :]) ** 2
    return np.sqrt(TENTHS**2 * squares).astype(np.int32)


def problem_of(instance: Instance) -> tuple[Problem, Matrix]:
    """The instance as a day's problem: a second stands for a tenth, and driving is all that costs.

    Leaving a customer out costs more than any round trip to it.
    """
    tenths = distances_tenths(instance)
    depot = instance.depot
    jobs = tuple(
        Job(
            id=str(customer.number),
            size=customer.demand,
            delivery=at,
            pickup=0,
            windows=(Window(opens=customer.ready * TENTHS, closes=customer.due * TENTHS),),
            service_s=min(customer.service * TENTHS, 1_000_000),
        )
        for at, customer in enumerate(instance.customers, start=1)
    )
    fleet = tuple(
        Vehicle(
            id=str(number),
            start=0,
            end=0,
            available_from=depot.ready * TENTHS,
            shift_end=depot.due * TENTHS,
            capacity=instance.capacity,
            loads_at_start=True,
        )
        for number in range(1, instance.vehicles + 1)
    )
    dear = 10 * max(1, int(tenths.max()))
    problem = Problem(
        locations=tuple(Location(lat=0, lon=0) for _ in tenths),
        vehicles=fleet,
        jobs=jobs,
        policy=Policy(km=0, unserved=dear, unserved_urgent=dear),
    )
    return problem, Matrix(seconds=tenths, metres=np.zeros_like(tenths))


def routes_of(instance: Instance, sequences: Sequences) -> list[list[int]]:
    """The customers' numbers in the order of each route that serves any."""
    routes = [
        [instance.customers[step.job].number for step in steps if step.kind == "delivery"]
        for steps in sequences
    ]
    return [route for route in routes if route]


def cost_tenths(instance: Instance, routes: Iterable[Sequence[int]]) -> int:
    """How far all routes are, in whole tenths."""
    known = {customer.number: customer for customer in instance.customers}
    total = 0
    for route in routes:
        here = instance.depot
        for number in route:
            total += distance_tenths(here, known[number])
            here = known[number]
        total += distance_tenths(here, instance.depot)
    return total


def faults(instance: Instance, routes: Sequence[Sequence[int]]) -> list[str]:
    """Every rule of the format that ``routes`` break; empty when they are a solution."""
    found: list[str] = []
    if len(routes) > instance.vehicles:
        found.append(f"{len(routes)} routes, and there are {instance.vehicles} vehicles")
    served = [number for route in routes for number in route]
    wanted = {customer.number for customer in instance.customers}
    if twice := sorted({number for number in served if served.count(number) > 1}):
        found.append(f"customers served more than once: {_listed(twice)}")
    if strange := sorted(set(served) - wanted):
        found.append(f"customers that are not in the file: {_listed(strange)}")
    if left := sorted(wanted - set(served)):
        found.append(f"customers not served: {_listed(left)}")
    if not strange:
        for route in routes:
            found += _faults_of_route(instance, route)
    return found


def _faults_of_route(instance: Instance, route: Sequence[int]) -> Iterator[str]:
    known = {customer.number: customer for customer in instance.customers}
    here, clock = instance.depot, instance.depot.ready * TENTHS
    demand = sum(known[number].demand for number in route)
    if demand > instance.capacity:
        yield f"the route {_listed(route)} carries {demand}, at most {instance.capacity} fit"
    for number in route:
        there = known[number]
        clock = max(clock + distance_tenths(here, there), there.ready * TENTHS)
        if clock > there.due * TENTHS:
            yield f"customer {number} is served at {clock / TENTHS:g}, due at {there.due}"
        clock += there.service * TENTHS
        here = there
    back = clock + distance_tenths(here, instance.depot)
    if back > instance.depot.due * TENTHS:
        yield f"the route {_listed(route)} is back at {back / TENTHS:g}, after the depot closes"


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:8])
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} more"
