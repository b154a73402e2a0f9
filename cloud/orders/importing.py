"""Taking a file of orders. Reading and writing happen in threads, so that nobody else waits.

Nothing is stored before the whole file is read and every door is found. Then the good rows are
stored in parts, one transaction each: another writer waits for one part at most.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from cloud.foundation.errors import CloudError, FieldProblem, Invalid, Unavailable
from cloud.orders.intake import NewOrder, RefusedRow, read_csv
from cloud.orders.model import Order
from cloud.orders.service import Orders
from cloud.roads.model import Snapped

type Door = tuple[float, float]
type Read = tuple[list[tuple[int, NewOrder]], list[RefusedRow]]
type Found = tuple[int, NewOrder, Snapped, Snapped | None]

_AT_ONCE: Final = 2
"""Files read at once."""
_SNAPS_AT_ONCE: Final = 3
"""Fewer than the roads answer at once, so that a single order finds its street meanwhile."""
_MOST_ORDERS: Final = 100
_MOST_PARCELS: Final = 1_000
"""Of one transaction; an order of more stands alone."""


class OrderImport:
    """Takes files of orders."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._running = 0

    async def run(
        self, tenant: str, depot_id: str, service_date: date, text: str
    ) -> tuple[list[str], list[RefusedRow]]:
        """Take every good row of a file and tell of every bad one.

        Returns:
            The ids of the orders, in the order of the rows, and the refused rows.

        Raises:
            NotFound: no such depot. Invalid: the file as a whole cannot be read, or the date is
                past. Unavailable: roads do not answer, or others import already; nothing is stored.
        """
        if self._running >= _AT_ONCE:
            raise Unavailable(f"{_AT_ONCE} files are read already; try again in a few seconds")
        self._running += 1
        try:
            good, refused = await asyncio.to_thread(
                self._read, tenant, depot_id, service_date, text
            )
            streets = await self._streets(dict.fromkeys(_doors(new for _, new in good)))
            found = list(_with_streets(good, streets, refused))
            order_ids: list[str] = []
            for part in _parts(found):
                order_ids += await asyncio.to_thread(self._store, tenant, depot_id, part, refused)
        finally:
            self._running -= 1
        return order_ids, sorted(refused, key=lambda row: row.row)

    def _read(self, tenant: str, depot_id: str, service_date: date, text: str) -> Read:
        depot = self._orders.depot_for(tenant, depot_id, service_date)
        good: list[tuple[int, NewOrder]] = []
        refused: list[RefusedRow] = []
        for line, row in read_csv(text, depot, service_date):
            if isinstance(row, RefusedRow):
                refused.append(row)
            else:
                good.append((line, row))
        return good, refused

    async def _streets(self, doors: Iterable[Door]) -> dict[Door, Snapped | Invalid]:
        found: dict[Door, Snapped | Invalid] = {}
        left = iter(doors)

        async def look() -> None:
            for door in left:
                try:
                    found[door] = await self._orders.snap(*door)
                except Invalid as error:
                    found[door] = error

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_SNAPS_AT_ONCE):
                    tasks.create_task(look())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return found

    def _store(
        self, tenant: str, depot_id: str, part: Sequence[Found], refused: list[RefusedRow]
    ) -> list[str]:
        wanted = [(new, street, shop) for _, new, street, shop in part]
        taken: list[str] = []
        for (line, new, *_), made in zip(
            part, self._orders.add_many(tenant, depot_id, wanted), strict=True
        ):
            if isinstance(made, Order):
                taken.append(made.id)
            else:
                refused.append(_refusal(line, new, made))
        return taken


def _with_streets(
    good: Iterable[tuple[int, NewOrder]],
    streets: dict[Door, Snapped | Invalid],
    refused: list[RefusedRow],
) -> Iterator[Found]:
    for line, new in good:
        street = streets[new.lat, new.lon]
        shop = streets[new.pickup.lat, new.pickup.lon] if new.pickup is not None else None
        if isinstance(street, Invalid):
            refused.append(_refusal(line, new, street))
        elif isinstance(shop, Invalid):
            refused.append(_refusal(line, new, _of_pickup(shop)))
        else:
            yield line, new, street, shop


def _doors(orders: Iterable[NewOrder]) -> Iterator[Door]:
    for new in orders:
        yield new.lat, new.lon
        if new.pickup is not None:
            yield new.pickup.lat, new.pickup.lon


def _of_pickup(error: Invalid) -> Invalid:
    told = error.problems[0]
    return Invalid.field("pickup_lat, pickup_lon", told.problem, told.remedy)


def _parts(found: Iterable[Found]) -> Iterator[list[Found]]:
    part: list[Found] = []
    parcels = 0
    for one in found:
        parcels += one[1].parcels
        if part and (len(part) >= _MOST_ORDERS or parcels > _MOST_PARCELS):
            yield part
            part, parcels = [], one[1].parcels
        part.append(one)
    if part:
        yield part


def _refusal(line: int, new: NewOrder, error: CloudError) -> RefusedRow:
    told = (
        error.problems[0]
        if error.problems
        else FieldProblem("reference", error.detail, "leave out what is imported already")
    )
    value = f"{new.lat}, {new.lon}" if told.field == "lat, lon" else getattr(new, told.field, "")
    return RefusedRow(
        row=line, field=told.field, value=str(value), problem=told.problem, remedy=told.remedy
    )
